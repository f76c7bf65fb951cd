# Included by the Makefile: image encoders, and CarRacing-v3 driven through one.

## Episodes of random driving, recorded for an encoder; options ENV= STEPS= SEED= OUT=folder FRAMES_FLAGS=
.PHONY: frames
frames: $(SETUP)
	$(BIN)/python -m deploy.encoder.frames $(if $(ENV),--env $(ENV)) $(if $(STEPS),--steps $(STEPS)) \
		$(if $(SEED),--seed $(SEED)) $(if $(OUT),--out $(OUT)) $(FRAMES_FLAGS)

## An image encoder trained on recordings, for --env-args encoder=file.onnx; RECORDINGS=folder OUT=file.onnx ENCODER_FLAGS=
.PHONY: encoder
encoder: $(SETUP)
	$(BIN)/python -m deploy.encoder $(RECORDINGS) $(if $(OUT),--out $(OUT)) $(ENCODER_FLAGS)

CAR_RACING_DIR ?= runs/car-racing

## CarRacing-v3 through an encoder: frames, encoder, run, 20 episodes; options CAR_RACING_DIR= MINUTES= WORKERS= SEED=
.PHONY: car-racing
car-racing: $(SETUP)
	$(BIN)/python -m deploy.encoder.frames --steps 14000 --episode-steps 80 --env-args patience=15 \
		--out $(CAR_RACING_DIR)/frames
	$(BIN)/python -m deploy.encoder $(CAR_RACING_DIR)/frames --crop 0 0 96 84 --append speed \
		--out $(CAR_RACING_DIR)/encoder.onnx
	$(BIN)/python -m deploy.local --env CarRacingCamera-v0 --minutes $(or $(MINUTES),30) --workers $(or $(WORKERS),2) \
		--seed $(or $(SEED),0) --run-dir $(CAR_RACING_DIR)/run --learner-flags="--discount 0.98 --evaluation-episodes 10 \
		--env-args encoder=$(abspath $(CAR_RACING_DIR))/encoder.onnx encoder_frames=2 patience=25 --evaluation-env-args patience=0"
	$(BIN)/python -m deploy.evaluate $(CAR_RACING_DIR)/run/best --laps 20 --seed 10000 \
		--out $(CAR_RACING_DIR)/evaluation
