import numpy as np
import pytest

from worker_service.simulators.l2r.geodesy import ReferencePoint

THRUXTON = (51.2079397, -1.60859)


@pytest.mark.parametrize("enu", [(0.0, 0.0, 0.0), (1300.0, -700.0, 60.0), (-3000.0, 2000.0, -10.0)])
def test_places_survive_the_way_to_degrees_and_back(enu: tuple[float, float, float]) -> None:
    reference = ReferencePoint(*THRUXTON)
    place = reference.geodetic(np.array(enu))
    np.testing.assert_allclose(reference.enu(*place), enu, atol=1e-6)


def test_reference_point_is_the_origin() -> None:
    longitude, latitude, altitude = ReferencePoint(*THRUXTON, 12.0).geodetic(np.zeros(3))
    assert (latitude, longitude) == pytest.approx(THRUXTON, abs=1e-12)
    assert altitude == pytest.approx(12.0, abs=1e-6)


def test_a_degree_of_latitude_and_of_longitude_have_the_textbook_lengths() -> None:
    # At 45 degrees one minute of latitude is 1,852.2 m, one of longitude 1,314.2 m.
    reference = ReferencePoint(45.0, 10.0)
    minute = 1.0 / 60.0
    east, north, _ = reference.enu(10.0, 45.0 + minute, 0.0)
    assert (east, north) == pytest.approx((0.0, 1852.2), abs=0.3)
    east, north, up = reference.enu(10.0 + minute, 45.0, 0.0)
    assert east == pytest.approx(1314.2, abs=0.3)
    assert abs(north) < 0.2
    assert up < 0.0, "the ground curves away"
