# engine/image: image decoders. May include: abi, libpng, libjpeg-turbo.
IMAGE_DECODER_LIBS := libpng libjpeg zlib
IMAGE_DECODER_SRC := engine/image/image.c engine/image/jpeg.c engine/image/png.c

UNIT_TESTS += image
image_TEST_SRC := engine/image/test/test_image.c $(IMAGE_DECODER_SRC)
image_TEST_LIBS := $(IMAGE_DECODER_LIBS)
image_TEST_LDFLAGS := -lm

FUZZ_TARGETS += image
image_FUZZ_SRC := engine/image/fuzz/fuzz_image.c $(IMAGE_DECODER_SRC)
image_FUZZ_CORPUS := engine/image/fuzz/corpus
image_FUZZ_LIBS := $(IMAGE_DECODER_LIBS)
image_FUZZ_LDFLAGS := -lm
