# Everything behind engine.h; engine/tab makes the program of it.
ENGINE_OWN_SRC := $(sort $(foreach part,base css dom layout loader paint,$(wildcard engine/$(part)/*.c)))
ENGINE_SRC = $(ENGINE_OWN_SRC) $(TEXT_SRC) $(IMAGE_DECODER_SRC)
ENGINE_LIBS = lexbor $(TEXT_LIBS) $(filter-out $(TEXT_LIBS),$(IMAGE_DECODER_LIBS))
