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
#else
CV cv_f32x16 cv_multiply_add(cv_f32x16 sum, float x, cv_f32x16 w) { return sum + x * w; }
CV cv_f32x8 cv_multiply_add_half(cv_f32x8 sum, float x, cv_f32x8 w) { return sum + x * w; }
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
CV cv_i32x16 cv_widen(cv_u8x16 v) { return __builtin_convertvector(v, cv_i32x16); }

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
#undef CV
