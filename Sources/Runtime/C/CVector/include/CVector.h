/* The few vector operations that Swift cannot spell, chosen by the module's -march flags; static inline only, no variables. A vector
 * has 16 lanes, one block of channels, on every processor: where registers are narrower the compiler uses several. The forms with 8
 * lanes serve a last block of which only half is real.
 *
 * CV_PORTABLE (tests only) takes plain C for every intrinsic: with the tile shapes of AVX-512 it checks them where no AVX-512 is. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#if defined(CV_PORTABLE)
#elif defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define CV static inline __attribute__((always_inline))
typedef int32_t cv_i32x16 __attribute__((ext_vector_type(16)));
typedef int32_t cv_i32x8 __attribute__((ext_vector_type(8)));
typedef float cv_f32x16 __attribute__((ext_vector_type(16)));
typedef float cv_f32x8 __attribute__((ext_vector_type(8)));
typedef uint8_t cv_u8x16 __attribute__((ext_vector_type(16)));

/* The name of the instruction set, and cnn_kernels.input_offset. */
CV const char *cv_isa(void) {
#if defined(CV_PORTABLE)
  return "portable512";
#elif defined(__AVX512VNNI__)
  return "avx512vnni";
#elif defined(__AVX512BW__)
  return "avx512";
#elif defined(__AVX2__)
  return "avx2";
#elif defined(__ARM_FEATURE_DOTPROD)
  return "neon-dotprod";
#elif defined(__aarch64__)
  return "neon";
#else
  return "baseline";
#endif
}
CV const char *cv_reference_name(void) { return "reference"; }
CV const char *cv_baseline_name(void) { return "baseline"; }
CV int32_t cv_input_offset(void) {
#if defined(__aarch64__) && !defined(CV_PORTABLE)
  return 128;
#else
  return 0;
#endif
}

/* sum + x · w: fused where the processor can, else multiply and add. */
#if defined(__FMA__) || defined(__aarch64__)
CV cv_f32x16 cv_multiply_add(cv_f32x16 sum, float x, cv_f32x16 w) { return __builtin_elementwise_fma((cv_f32x16)(x), w, sum); }
CV cv_f32x8 cv_multiply_add_half(cv_f32x8 sum, float x, cv_f32x8 w) { return __builtin_elementwise_fma((cv_f32x8)(x), w, sum); }
CV cv_f32x16 cv_multiply_add_each(cv_f32x16 sum, cv_f32x16 x, cv_f32x16 w) { return __builtin_elementwise_fma(x, w, sum); }
#else
CV cv_f32x16 cv_multiply_add(cv_f32x16 sum, float x, cv_f32x16 w) { return sum + x * w; }
CV cv_f32x8 cv_multiply_add_half(cv_f32x8 sum, float x, cv_f32x8 w) { return sum + x * w; }
CV cv_f32x16 cv_multiply_add_each(cv_f32x16 sum, cv_f32x16 x, cv_f32x16 w) { return sum + x * w; }
#endif

/* a · b + c, rounded once, on every processor. */
#if defined(__FMA__) || defined(__aarch64__)
CV cv_f32x16 cv_fused(cv_f32x16 a, cv_f32x16 b, cv_f32x16 c) { return __builtin_elementwise_fma(a, b, c); }
#else
/* The product is exact in binary64. A sum that is not is rounded to odd: then rounding it again, to binary32, is as good as rounding once (Boldo and Melquiond,
 * "Emulation of FMA and correctly rounded sums", 2008). */
static __attribute__((noinline)) void cv_fuse(const float *a, const float *b, float *c) {
#pragma clang loop unroll(disable)
  for (int i = 0; i < 16; i++) {
    double product = (double)a[i] * b[i], sum = product + c[i], part = sum - product, error = (product - (sum - part)) + (c[i] - part);
    int64_t bits;
    __builtin_memcpy(&bits, &sum, 8);
    if ((error < 0 || error > 0) && (bits & 1) == 0) bits += (error > 0) == (sum > 0) ? 1 : -1;
    __builtin_memcpy(&sum, &bits, 8);
    c[i] = (float)sum;
  }
}
CV cv_f32x16 cv_fused(cv_f32x16 a, cv_f32x16 b, cv_f32x16 c) {
  cv_fuse((const float *)&a, (const float *)&b, (float *)&c);
  return c;
}
#endif

/* Per lane: sum + Σ over four bytes of (x − input offset) · w, exact, wrapping. x: four unsigned bytes, the same for all lanes; w: four
 * signed bytes in each lane, −127 … 127. Without a dot-product instruction, x86 multiplies the even and the odd bytes of each 16-bit lane
 * apart, as 16-bit numbers (vpmaddubsw would saturate). NEON multiplies signed bytes: |x − 128| · |w| · 2 ≤ 32512 fits 16 bits, so one
 * addition of neighbours may stay there. */
#if defined(CV_PORTABLE)
CV cv_i32x16 cv_dot(cv_i32x16 sum, int32_t x, cv_i32x16 w) {
  for (int shift = 0; shift < 32; shift += 8) sum += (int32_t)(uint8_t)(x >> shift) * ((w << (24 - shift)) >> 24);
  return sum;
}
CV cv_i32x8 cv_dot_half(cv_i32x8 sum, int32_t x, cv_i32x8 w) {
  for (int shift = 0; shift < 32; shift += 8) sum += (int32_t)(uint8_t)(x >> shift) * ((w << (24 - shift)) >> 24);
  return sum;
}
#elif defined(__AVX512VNNI__)
CV cv_i32x16 cv_dot(cv_i32x16 sum, int32_t x, cv_i32x16 w) {
  return (cv_i32x16)_mm512_dpbusd_epi32((__m512i)sum, _mm512_set1_epi32(x), (__m512i)w);
}
CV cv_i32x8 cv_dot_half(cv_i32x8 sum, int32_t x, cv_i32x8 w) {
  return (cv_i32x8)_mm256_dpbusd_epi32((__m256i)sum, _mm256_set1_epi32(x), (__m256i)w);
}
#elif defined(__AVX2__)
CV cv_i32x8 cv_dot_half(cv_i32x8 sum, int32_t x, cv_i32x8 w) {
  __m256i x4 = _mm256_set1_epi32(x);
  __m256i even = _mm256_madd_epi16(_mm256_and_si256(x4, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16((__m256i)w, 8), 8));
  __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(x4, 8), _mm256_srai_epi16((__m256i)w, 8));
  return sum + (cv_i32x8)even + (cv_i32x8)odd;
}
#if defined(__AVX512BW__)
CV cv_i32x16 cv_dot(cv_i32x16 sum, int32_t x, cv_i32x16 w) {
  __m512i x4 = _mm512_set1_epi32(x);
  __m512i even = _mm512_madd_epi16(_mm512_and_si512(x4, _mm512_set1_epi16(255)), _mm512_srai_epi16(_mm512_slli_epi16((__m512i)w, 8), 8));
  __m512i odd = _mm512_madd_epi16(_mm512_srli_epi16(x4, 8), _mm512_srai_epi16((__m512i)w, 8));
  return sum + (cv_i32x16)even + (cv_i32x16)odd;
}
#else
CV cv_i32x16 cv_dot(cv_i32x16 sum, int32_t x, cv_i32x16 w) {
  sum.lo = cv_dot_half(sum.lo, x, w.lo);
  sum.hi = cv_dot_half(sum.hi, x, w.hi);
  return sum;
}
#endif
#else
typedef int32_t cv_i32x4 __attribute__((ext_vector_type(4)));
#if defined(__ARM_FEATURE_DOTPROD)
CV cv_i32x4 cv_dot_quarter(cv_i32x4 sum, int32_t x, cv_i32x4 w) {
  return (cv_i32x4)vdotq_s32((int32x4_t)sum, veorq_s8(vreinterpretq_s8_s32(vdupq_n_s32(x)), vdupq_n_s8(-128)), (int8x16_t)w);
}
#elif defined(__aarch64__)
CV cv_i32x4 cv_dot_quarter(cv_i32x4 sum, int32_t x, cv_i32x4 w) {
  int8x16_t x4 = veorq_s8(vreinterpretq_s8_s32(vdupq_n_s32(x)), vdupq_n_s8(-128)), w4 = (int8x16_t)w;
  int16x8_t low = vmull_s8(vget_low_s8(x4), vget_low_s8(w4)), high = vmull_high_s8(x4, w4);
  return (cv_i32x4)vpadalq_s16((int32x4_t)sum, vpaddq_s16(low, high));
}
#else
CV cv_i32x4 cv_dot_quarter(cv_i32x4 sum, int32_t x, cv_i32x4 w) {
  __m128i x4 = _mm_set1_epi32(x);
  __m128i even = _mm_madd_epi16(_mm_and_si128(x4, _mm_set1_epi16(255)), _mm_srai_epi16(_mm_slli_epi16((__m128i)w, 8), 8));
  __m128i odd = _mm_madd_epi16(_mm_srli_epi16(x4, 8), _mm_srai_epi16((__m128i)w, 8));
  return sum + (cv_i32x4)even + (cv_i32x4)odd;
}
#endif
CV cv_i32x8 cv_dot_half(cv_i32x8 sum, int32_t x, cv_i32x8 w) {
  sum.lo = cv_dot_quarter(sum.lo, x, w.lo);
  sum.hi = cv_dot_quarter(sum.hi, x, w.hi);
  return sum;
}
CV cv_i32x16 cv_dot(cv_i32x16 sum, int32_t x, cv_i32x16 w) {
  sum.lo = cv_dot_half(sum.lo, x, w.lo);
  sum.hi = cv_dot_half(sum.hi, x, w.hi);
  return sum;
}
#endif

/* Depthwise convolution: what lies beneath up to four neighbouring taps of a kernel's row, 16 channels, prepared for multiplication, and the
 * weights of the taps, stored as [16 channels][4 taps]. Both are two vectors (Swift imports no struct of vectors): the taps 0 and 2 in the first and
 * 1 and 3 in the second where 16-bit numbers are multiplied in pairs, so that what is made for one pixel serves its neighbour again; all of them in the
 * first where there is a dot product or NEON. `step`: bytes from a tap's pixel to the next. Only `count` pixels are read, or up to three more where they
 * lie side by side. */
typedef uint8_t cv_u8x16_any __attribute__((ext_vector_type(16), aligned(1)));
CV cv_u8x16 cv_pixel(const uint8_t *p) { return *(const cv_u8x16_any *)p; }
CV cv_i32x16 cv_load_i32(const void *p) {
  cv_i32x16 v;
  __builtin_memcpy(&v, p, 64);
  return v;
}

CV cv_i32x16 cv_widen(cv_u8x16 v) { return __builtin_convertvector(v, cv_i32x16); }

/* Pairs of 16-bit numbers in 16 lanes (Swift knows no vector of 32 of them): one of each of two rows of bytes; and sum + x · w of both, exact. */
typedef int16_t cv_i16x32 __attribute__((ext_vector_type(32)));
CV cv_i32x16 cv_pairs(cv_u8x16 first, cv_u8x16 second) {
#if defined(CV_PORTABLE) || defined(__aarch64__) || defined(__AVX512BW__)
  return cv_widen(first) | cv_widen(second) << 16;
#else
  __m128i low = _mm_unpacklo_epi8((__m128i)first, (__m128i)second), high = _mm_unpackhi_epi8((__m128i)first, (__m128i)second);
  cv_i32x16 v;
#if defined(__AVX2__)
  v.lo = (cv_i32x8)_mm256_cvtepu8_epi16(low);
  v.hi = (cv_i32x8)_mm256_cvtepu8_epi16(high);
#else
  v.lo.lo = (cv_i32x4)_mm_unpacklo_epi8(low, _mm_setzero_si128());
  v.lo.hi = (cv_i32x4)_mm_unpackhi_epi8(low, _mm_setzero_si128());
  v.hi.lo = (cv_i32x4)_mm_unpacklo_epi8(high, _mm_setzero_si128());
  v.hi.hi = (cv_i32x4)_mm_unpackhi_epi8(high, _mm_setzero_si128());
#endif
  return v;
#endif
}
CV cv_i32x16 cv_pairs_minus(cv_i32x16 pairs, int32_t value) { return (cv_i32x16)((cv_i16x32)pairs - (cv_i16x32)((int16_t)value)); }
CV cv_i32x16 cv_add_pairs(cv_i32x16 sum, cv_i32x16 x, cv_i32x16 w) {
#if defined(CV_PORTABLE) || defined(__aarch64__)
  return sum + (x << 16 >> 16) * (w << 16 >> 16) + (x >> 16) * (w >> 16);
#elif defined(__AVX512BW__)
  return sum + (cv_i32x16)_mm512_madd_epi16((__m512i)x, (__m512i)w);
#elif defined(__AVX2__)
  sum.lo += (cv_i32x8)_mm256_madd_epi16((__m256i)x.lo, (__m256i)w.lo);
  sum.hi += (cv_i32x8)_mm256_madd_epi16((__m256i)x.hi, (__m256i)w.hi);
  return sum;
#else
  sum.lo.lo += (cv_i32x4)_mm_madd_epi16((__m128i)x.lo.lo, (__m128i)w.lo.lo);
  sum.lo.hi += (cv_i32x4)_mm_madd_epi16((__m128i)x.lo.hi, (__m128i)w.lo.hi);
  sum.hi.lo += (cv_i32x4)_mm_madd_epi16((__m128i)x.hi.lo, (__m128i)w.hi.lo);
  sum.hi.hi += (cv_i32x4)_mm_madd_epi16((__m128i)x.hi.hi, (__m128i)w.hi.hi);
  return sum;
#endif
}

#if defined(CV_PORTABLE) || defined(__AVX512VNNI__) || defined(__ARM_FEATURE_DOTPROD)
/* The pixels are turned to [16 channels][4 taps]. So 5 − count neighbouring pixels share one such vector, the weights of the later ones moved up. */
CV int32_t cv_shares_taps(void) { return 1; }
CV cv_i32x16 cv_shift_taps(cv_i32x16 w, int32_t taps) { return w << 8 * taps; }
CV cv_i32x16 cv_taps_first(const uint8_t *p, ptrdiff_t step, int32_t count) {
  int32_t four = count > 3 || step == 16;
#if defined(__AVX512VNNI__) && !defined(CV_PORTABLE)
  /* First the same four channels of the four pixels side by side, then a transposition of 4×4 bytes. */
  __m512i v;
  if (step == 16) {
    v = _mm512_loadu_si512(p);
  } else {
    cv_u8x16 p0 = cv_pixel(p), p1 = count > 1 ? cv_pixel(p + step) : p0, p2 = count > 2 ? cv_pixel(p + 2 * step) : p0;
    cv_u8x16 p3 = four ? cv_pixel(p + 3 * step) : p0;
    v = _mm512_inserti32x4(_mm512_castsi128_si512((__m128i)p0), (__m128i)p1, 1);
    v = _mm512_inserti32x4(_mm512_inserti32x4(v, (__m128i)p2, 2), (__m128i)p3, 3);
  }
  v = _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), v);
  return (cv_i32x16)_mm512_shuffle_epi8(
      v, _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)));
#else
  cv_u8x16 p0 = cv_pixel(p), p1 = count > 1 || four ? cv_pixel(p + step) : p0, p2 = count > 2 || four ? cv_pixel(p + 2 * step) : p0;
  cv_u8x16 p3 = four ? cv_pixel(p + 3 * step) : p0;
  cv_i32x16 quads;
#if defined(CV_PORTABLE)
  for (int c = 0; c < 16; c++) quads[c] = (int32_t)(p0[c] | (uint32_t)p1[c] << 8 | (uint32_t)p2[c] << 16 | (uint32_t)p3[c] << 24);
#else
  uint8x16_t a = vzip1q_u8((uint8x16_t)p0, (uint8x16_t)p2), b = vzip2q_u8((uint8x16_t)p0, (uint8x16_t)p2);
  uint8x16_t c = vzip1q_u8((uint8x16_t)p1, (uint8x16_t)p3), d = vzip2q_u8((uint8x16_t)p1, (uint8x16_t)p3), flip = vdupq_n_u8(128);
  quads.lo.lo = (cv_i32x4)veorq_u8(vzip1q_u8(a, c), flip);
  quads.lo.hi = (cv_i32x4)veorq_u8(vzip2q_u8(a, c), flip);
  quads.hi.lo = (cv_i32x4)veorq_u8(vzip1q_u8(b, d), flip);
  quads.hi.hi = (cv_i32x4)veorq_u8(vzip2q_u8(b, d), flip);
#endif
  return quads;
#endif
}
CV cv_i32x16 cv_taps_second(const uint8_t *p, ptrdiff_t step, int32_t count) { return (cv_i32x16)(0); }
CV cv_i32x16 cv_tap_weights_first(const void *p) { return cv_load_i32(p); }
CV cv_i32x16 cv_tap_weights_second(const void *p) { return (cv_i32x16)(0); }
/* sum + Σ over the taps of (x − input offset) · w, exact, wrapping. */
CV cv_i32x16 cv_add_taps(cv_i32x16 sum, cv_i32x16 x, cv_i32x16 w, cv_i32x16 x_second, cv_i32x16 w_second, int32_t count) {
#if defined(CV_PORTABLE)
  for (int shift = 0; shift < 32; shift += 8) sum += (x >> shift & 255) * ((w << (24 - shift)) >> 24);
#elif defined(__AVX512VNNI__)
  sum = (cv_i32x16)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, (__m512i)w);
#else
  sum.lo.lo = (cv_i32x4)vdotq_s32((int32x4_t)sum.lo.lo, (int8x16_t)x.lo.lo, (int8x16_t)w.lo.lo);
  sum.lo.hi = (cv_i32x4)vdotq_s32((int32x4_t)sum.lo.hi, (int8x16_t)x.lo.hi, (int8x16_t)w.lo.hi);
  sum.hi.lo = (cv_i32x4)vdotq_s32((int32x4_t)sum.hi.lo, (int8x16_t)x.hi.lo, (int8x16_t)w.hi.lo);
  sum.hi.hi = (cv_i32x4)vdotq_s32((int32x4_t)sum.hi.hi, (int8x16_t)x.hi.hi, (int8x16_t)w.hi.hi);
#endif
  return sum;
}
#elif defined(__aarch64__)
/* The quarters of a vector are the four pixels, the four taps of all channels. */
CV int32_t cv_shares_taps(void) { return 0; }
CV cv_i32x16 cv_shift_taps(cv_i32x16 w, int32_t taps) { return w; }
CV cv_i32x4 cv_signed_pixel(const uint8_t *p) { return (cv_i32x4)(cv_pixel(p) ^ (cv_u8x16)(128)); }
CV cv_i32x16 cv_taps_first(const uint8_t *p, ptrdiff_t step, int32_t count) {
  cv_i32x16 v;
  v.lo.lo = cv_signed_pixel(p);
  v.lo.hi = count > 1 ? cv_signed_pixel(p + step) : v.lo.lo;
  v.hi.lo = count > 2 ? cv_signed_pixel(p + 2 * step) : v.lo.lo;
  v.hi.hi = count > 3 ? cv_signed_pixel(p + 3 * step) : v.lo.lo;
  return v;
}
CV cv_i32x16 cv_taps_second(const uint8_t *p, ptrdiff_t step, int32_t count) { return (cv_i32x16)(0); }
CV cv_i32x16 cv_tap_weights_first(const void *p) {
  int8x16x4_t taps = vld4q_s8((const int8_t *)p);
  cv_i32x16 v;
  v.lo.lo = (cv_i32x4)taps.val[0];
  v.lo.hi = (cv_i32x4)taps.val[1];
  v.hi.lo = (cv_i32x4)taps.val[2];
  v.hi.hi = (cv_i32x4)taps.val[3];
  return v;
}
CV cv_i32x16 cv_tap_weights_second(const void *p) { return (cv_i32x16)(0); }
/* sum + x · w of one or two taps: |x − 128| · |w| · 2 ≤ 32512 fits 16 bits. */
CV cv_i32x16 cv_add_two_taps(cv_i32x16 sum, cv_i32x8 x, cv_i32x8 w, int32_t both) {
  int8x16_t x0 = (int8x16_t)x.lo, w0 = (int8x16_t)w.lo, x1 = (int8x16_t)x.hi, w1 = (int8x16_t)w.hi;
  int16x8_t low = vmull_s8(vget_low_s8(x0), vget_low_s8(w0)), high = vmull_high_s8(x0, w0);
  if (both) {
    low = vmlal_s8(low, vget_low_s8(x1), vget_low_s8(w1));
    high = vmlal_high_s8(high, x1, w1);
  }
  sum.lo.lo = (cv_i32x4)vaddw_s16((int32x4_t)sum.lo.lo, vget_low_s16(low));
  sum.lo.hi = (cv_i32x4)vaddw_high_s16((int32x4_t)sum.lo.hi, low);
  sum.hi.lo = (cv_i32x4)vaddw_s16((int32x4_t)sum.hi.lo, vget_low_s16(high));
  sum.hi.hi = (cv_i32x4)vaddw_high_s16((int32x4_t)sum.hi.hi, high);
  return sum;
}
CV cv_i32x16 cv_add_taps(cv_i32x16 sum, cv_i32x16 x, cv_i32x16 w, cv_i32x16 x_second, cv_i32x16 w_second, int32_t count) {
  sum = cv_add_two_taps(sum, x.lo, w.lo, count > 1);
  return count > 2 ? cv_add_two_taps(sum, x.hi, w.hi, count > 3) : sum;
}
#else
CV int32_t cv_shares_taps(void) { return 0; }
CV cv_i32x16 cv_shift_taps(cv_i32x16 w, int32_t taps) { return w; }
CV cv_i32x16 cv_taps_first(const uint8_t *p, ptrdiff_t step, int32_t count) { return cv_pairs(cv_pixel(p), cv_pixel(count > 2 ? p + 2 * step : p)); }
/* Where the fourth tap is none, its pixel is read only if it is beside the others: the next pixel has the same pair. */
CV cv_i32x16 cv_taps_second(const uint8_t *p, ptrdiff_t step, int32_t count) {
  if (count < 2) return (cv_i32x16)(0);
  return cv_pairs(cv_pixel(p + step), cv_pixel(count > 3 || step == 16 ? p + 3 * step : p + step));
}
CV cv_i32x16 cv_tap_weights_first(const void *p) { return (cv_i32x16)(((cv_i16x32)cv_load_i32(p) << 8) >> 8); }
CV cv_i32x16 cv_tap_weights_second(const void *p) { return (cv_i32x16)((cv_i16x32)cv_load_i32(p) >> 8); }
CV cv_i32x16 cv_add_taps(cv_i32x16 sum, cv_i32x16 x, cv_i32x16 w, cv_i32x16 x_second, cv_i32x16 w_second, int32_t count) {
  sum = cv_add_pairs(sum, x, w);
  return count > 1 ? cv_add_pairs(sum, x_second, w_second) : sum;
}
#endif

/* v between low and high; NaN stays NaN. */
CV cv_f32x16 cv_clamp(cv_f32x16 v, cv_f32x16 low, cv_f32x16 high) {
  v = low > v ? low : v;
  return high < v ? high : v;
}
/* The same, but NaN becomes low: for what is converted to an integer next. */
CV cv_f32x16 cv_clamp_number(cv_f32x16 v, cv_f32x16 low, cv_f32x16 high) {
  v = v > low ? v : low;
  return v < high ? v : high;
}
CV cv_f32x16 cv_maximum(cv_f32x16 a, cv_f32x16 b) { return a > b ? a : b; }
CV cv_u8x16 cv_maximum_u8(cv_u8x16 a, cv_u8x16 b) { return __builtin_elementwise_max(a, b); }
CV cv_u8x16 cv_minimum_u8(cv_u8x16 a, cv_u8x16 b) { return __builtin_elementwise_min(a, b); }

CV cv_f32x16 cv_to_float(cv_i32x16 v) { return __builtin_convertvector(v, cv_f32x16); }

/* To the nearest integer, ties to even; |v| < 2²². The rounding mode is the caller's to set. */
CV cv_i32x16 cv_round(cv_f32x16 v) {
#if defined(CV_PORTABLE)
  return __builtin_convertvector((v + 12582912.0f) - 12582912.0f, cv_i32x16); /* 1.5 · 2²³ */
#elif defined(__AVX512F__)
  return (cv_i32x16)_mm512_cvtps_epi32((__m512)v);
#elif defined(__AVX2__)
  cv_i32x16 r;
  r.lo = (cv_i32x8)_mm256_cvtps_epi32((__m256)v.lo);
  r.hi = (cv_i32x8)_mm256_cvtps_epi32((__m256)v.hi);
  return r;
#elif defined(__x86_64__)
  cv_i32x16 r;
  r.lo.lo = (cv_i32x4)_mm_cvtps_epi32((__m128)v.lo.lo);
  r.lo.hi = (cv_i32x4)_mm_cvtps_epi32((__m128)v.lo.hi);
  r.hi.lo = (cv_i32x4)_mm_cvtps_epi32((__m128)v.hi.lo);
  r.hi.hi = (cv_i32x4)_mm_cvtps_epi32((__m128)v.hi.hi);
  return r;
#else
  cv_i32x16 r;
  r.lo.lo = (cv_i32x4)vcvtnq_s32_f32((float32x4_t)v.lo.lo);
  r.lo.hi = (cv_i32x4)vcvtnq_s32_f32((float32x4_t)v.lo.hi);
  r.hi.lo = (cv_i32x4)vcvtnq_s32_f32((float32x4_t)v.hi.lo);
  r.hi.hi = (cv_i32x4)vcvtnq_s32_f32((float32x4_t)v.hi.hi);
  return r;
#endif
}

/* Lanes in 0 … 255 to bytes. */
CV cv_u8x16 cv_narrow(cv_i32x16 v) {
#if defined(CV_PORTABLE) || defined(__aarch64__) || defined(__AVX512F__)
  return __builtin_convertvector(v, cv_u8x16);
#elif defined(__AVX2__)
  __m256i words = _mm256_packs_epi32((__m256i)v.lo, (__m256i)v.hi); /* 0–3 8–11 | 4–7 12–15 */
  __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  return (cv_u8x16)_mm_shuffle_epi32(bytes, _MM_SHUFFLE(3, 1, 2, 0));
#else
  return (cv_u8x16)_mm_packus_epi16(_mm_packs_epi32((__m128i)v.lo.lo, (__m128i)v.lo.hi), _mm_packs_epi32((__m128i)v.hi.lo, (__m128i)v.hi.hi));
#endif
}

/* The same for single numbers. */
CV float cv_float(int32_t v) { return (float)v; }
CV float cv_narrowed(double v) { return (float)v; }
CV double cv_double(int64_t v) { return (double)v; }
CV double cv_widened(float v) { return v; }
/* v between low and high (NaN: low), to the nearest integer, ties to even; |low|, |high| < 2²². */
CV int32_t cv_quantize(float v, float low, float high) {
  v = v > low ? v : low;
  v = v < high ? v : high;
  return (int32_t)((v + 12582912.0f) - 12582912.0f); /* 1.5 · 2²³: no fraction fits beside it */
}

/* Square roots by the processor's instruction: Swift's squareRoot() calls the C library for what is negative. */
CV double cv_square_root(double v) { return __builtin_elementwise_sqrt(v); }
CV cv_f32x8 cv_square_roots(cv_f32x8 v) { return __builtin_elementwise_sqrt(v); }

/* The same address, but the compiler does not know: in a loop over x it would keep a pointer for each pixel, not one and fixed distances. */
CV const void *cv_opaque(const void *p) {
  __asm__("" : "+r"(p));
  return p;
}
CV void cv_fill(void *p, int32_t byte, size_t count) { __builtin_memset(p, byte, count); }
CV void cv_copy(void *to, const void *from, size_t count) { __builtin_memcpy(to, from, count); }
/* Fetch a line for soon: a hint, never faults. */
CV void cv_prefetch(const void *p) { __builtin_prefetch(p, 0, 3); }

/* For the naive kernels alone. */
CV double cv_exponential_double(double v) { return __builtin_exp(v); }
CV double cv_exponential_minus_one_double(double v) { return __builtin_expm1(v); }
CV double cv_tangent_double(double v) { return __builtin_tanh(v); }
CV double cv_error_complement_double(double v) { return __builtin_erfc(v); }
#undef CV
