/* LD_PRELOAD: every sync takes $SLOW_SYNC_MS longer, as a stalled disk would. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void stall(void) {
  const char* ms = getenv("SLOW_SYNC_MS");
  if (ms) usleep((useconds_t)atoi(ms) * 1000);
}

int fdatasync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  stall();
  return real(fd);
}

int fsync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  stall();
  return real(fd);
}
