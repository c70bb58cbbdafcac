/*
 * A library in the place of NVIDIA's driver, libcuda.so.1, for hosts without one: it says that it is of VERSION and
 * answers every call with ERROR (CUDA's numbers; 100: no device, 46: busy, 802: not initialised). So libtorch for CUDA
 * meets hosts whose driver is too old, or shows no GPU. For .ci/cuda-libtorch:
 *   gcc -shared -fPIC -DVERSION=12060 -DERROR=100 -o libcuda.so.1 cuda_driver.c
 */
#include <string.h>

int cuInit(unsigned flags) { return ERROR; }

int cuDriverGetVersion(int *version) {
  *version = VERSION;
  return 0;
}

static int refuse(void) { return ERROR; }

int cuGetProcAddress_v2(const char *name, void **at, int version, unsigned long flags, int *found) {
  if (found) {
    *found = 0;
  }
  if (strcmp(name, "cuInit") == 0) {
    *at = (void *) cuInit;
  } else if (strcmp(name, "cuDriverGetVersion") == 0) {
    *at = (void *) cuDriverGetVersion;
  } else if (strcmp(name, "cuGetProcAddress") == 0) {
    *at = (void *) cuGetProcAddress_v2;
  } else {
    *at = (void *) refuse;
  }
  return 0;
}

int cuGetProcAddress(const char *name, void **at, int version, unsigned long flags) {
  return cuGetProcAddress_v2(name, at, version, flags, 0);
}

int cuGetExportTable(const void **table, const void *id) { return ERROR; }

int cuDeviceGetCount(int *count) {
  *count = 0;
  return ERROR;
}
