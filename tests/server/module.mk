# The web server of the tests: build/tools/testserver. Depends on the C library only.
HOST_TOOLS += testserver
testserver_HOST_SRC := $(addprefix tests/server/,main.c encode.c files.c special.c)
