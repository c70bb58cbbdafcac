// Kernels of our own, compiled by NVRTC for the GPU at hand (see CudaKernels.java). They write the bits that the scripts
// decode_nf4 and dropout_mask of scripts.py write, in one pass over memory. A thread has eight elements; there is no
// shared memory and no fused multiply-add, which would round once in place of twice.

// Rounds to the nearest, ties to even; there are no infinities and no NaNs here.
__device__ unsigned short bfloat16_bits(float x) {
  unsigned bits = __float_as_uint(x);
  return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// Stores some of eight numbers from element `at` on, all at once where memory allows it.
__device__ void store(void* out, int bfloat16, long long at, int n, const float* x) {
  if (bfloat16) {
    unsigned short* to = (unsigned short*)out + at;
    if (n == 8 && (size_t)to % 16 == 0) {
      uint4 all;
      all.x = bfloat16_bits(x[0]) | (unsigned)bfloat16_bits(x[1]) << 16;
      all.y = bfloat16_bits(x[2]) | (unsigned)bfloat16_bits(x[3]) << 16;
      all.z = bfloat16_bits(x[4]) | (unsigned)bfloat16_bits(x[5]) << 16;
      all.w = bfloat16_bits(x[6]) | (unsigned)bfloat16_bits(x[7]) << 16;
      *(uint4*)to = all;
    } else {
      for (int i = 0; i < n; i++) to[i] = bfloat16_bits(x[i]);
    }
  } else {
    for (int i = 0; i < n; i++) ((float*)out)[at + i] = x[i];
  }
}

// out: `count` weights; codes: 32 bytes a block of 64 weights, 4-byte aligned; absmax: a nested code a block;
// constants: the offset, then a scale for each group of 256 blocks, of which `phase` lie before the first one;
// quads: (65536, 4), the weights of two bytes; map: (256), the values of nested codes
extern "C" __global__ void decode_nf4(void* out, int bfloat16, long long count, const unsigned char* codes, const unsigned char* absmax, const float* constants, long long phase, const float* quads, const float* map) {
  long long at = 8 * ((long long)blockIdx.x * blockDim.x + threadIdx.x);
  if (at >= count) return;
  long long block = at / 64;
  float scale = __fadd_rn(__fmul_rn(map[absmax[block]], constants[1 + (phase + block) / 256]), constants[0]);
  unsigned packed = *(const unsigned*)(codes + at / 2);
  int n = count - at < 8 ? (int)(count - at) : 8;
  float x[8];
  for (int i = 0; i < 8; i++) {
    // The first weight of a byte is in its upper half. Row `code` of quads has 0 and then `code` in its first byte.
    int code = (packed >> (8 * (i / 2) + (i % 2 == 0 ? 4 : 0))) & 15;
    x[i] = __fmul_rn(quads[4 * code + 1], scale);
  }
  store(out, bfloat16, at, n, x);
}

// out: `count` elements of 0 or `keep`, counted from 0: MurmurHash3's finaliser of a counter under a key
extern "C" __global__ void dropout_mask(void* out, int bfloat16, long long count, unsigned low, unsigned high, int threshold, float keep) {
  long long at = 8 * ((long long)blockIdx.x * blockDim.x + threadIdx.x);
  if (at >= count) return;
  int n = count - at < 8 ? (int)(count - at) : 8;
  float x[8];
  for (int i = 0; i < 8; i++) {
    unsigned h = ((unsigned)(at + i) * 0x9e3779b1u + low) ^ high;
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    h ^= h >> 16;
    x[i] = (int)(h >> 8) >= threshold ? keep : 0.f;
  }
  store(out, bfloat16, at, n, x);
}
