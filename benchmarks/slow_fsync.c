/* For LD_PRELOAD: each fsync and fdatasync takes PLI_FSYNC_DELAY_US longer; from the call numbered
 * PLI_FSYNC_FAIL_FROM on, it fails with EIO. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static long number(const char *name) {
  const char *text = getenv(name);
  return text ? atol(text) : 0;
}

static int slowly(const char *name, int fd) {
  static long calls;
  long call = __sync_add_and_fetch(&calls, 1);
  long from = number("PLI_FSYNC_FAIL_FROM"), delay = number("PLI_FSYNC_DELAY_US");
  if (from && call >= from) { errno = EIO; return -1; }
  if (delay) usleep((useconds_t)delay);
  return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}

int fsync(int fd) { return slowly("fsync", fd); }
int fdatasync(int fd) { return slowly("fdatasync", fd); }
