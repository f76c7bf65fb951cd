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
