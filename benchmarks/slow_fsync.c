/* A disk that is slow or fails, for LD_PRELOAD. SQLite and Python call fsync and fdatasync.
 *   PLI_FSYNC_DELAY_US=2000   each sync takes so much longer
 *   PLI_FSYNC_FAIL_FROM=7     the 7th sync of the process and all later ones fail with EIO
 *   PLI_FSYNC_FAIL_ONCE=1     only that one fails; later ones "succeed", as Linux does
 * SQLite's sync of a folder (fdatasync) is not counted: SQLite ignores its failure by design, so
 * the ledger syncs that folder itself (fsync), which is counted.
 * Build: cc -shared -fPIC -O1 -o slow_fsync.so slow_fsync.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static long number(const char *name) {
  const char *text = getenv(name);
  return text ? atol(text) : 0;
}

static int is_folder(int fd) {
  struct stat found;
  return fstat(fd, &found) == 0 && S_ISDIR(found.st_mode);
}

static int synced(const char *name, int fd) {
  static long calls;
  long call = __sync_add_and_fetch(&calls, 1);
  long from = number("PLI_FSYNC_FAIL_FROM"), delay = number("PLI_FSYNC_DELAY_US");
  if (from && (call == from || (call > from && !number("PLI_FSYNC_FAIL_ONCE")))) {
    errno = EIO;
    return -1;
  }
  if (delay) usleep((useconds_t)delay);
  return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}

static int fsync_folder(int fd) {
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}

int fsync(int fd) { return synced("fsync", fd); }
int fdatasync(int fd) { return is_folder(fd) ? fsync_folder(fd) : synced("fdatasync", fd); }
