// LD_PRELOAD: every sync takes $SLOW_SYNC_MS longer, as a stalled disk would.
#include <cstdlib>
#include <dlfcn.h>
#include <unistd.h>

namespace {

using Sync = int (*)(int);

void stall() {
  const char* ms =
      std::getenv("SLOW_SYNC_MS");  // NOLINT(concurrency-mt-unsafe): set before the process starts
  if (ms != nullptr) usleep(static_cast<useconds_t>(std::atoi(ms)) * 1000);
}

Sync real(const char* name) {
  return reinterpret_cast<Sync>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int fdatasync(int fd) {
  stall();
  return real("fdatasync")(fd);
}

extern "C" int fsync(int fd) {
  stall();
  return real("fsync")(fd);
}
