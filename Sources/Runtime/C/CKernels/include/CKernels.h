/* What an instruction set offers, and the arguments its kernels take. The planner prepares the arguments, the run loop calls the
 * kernels; both see these C symbols only, never the Swift modules behind them (DESIGN.md, section 3: the dispatch hazard). */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Does share `part` of `parts` equal shares of a prepared call. The kernel itself decides how to cut its work (rows, blocks of
 * channels, images); the result does not depend on the cut, and shares may run in any order or at once. Allocates nothing.
 * Rules of arithmetic: Kernels/Reference, one operator per file, and Documentation/ARITHMETIC.md. */
typedef void (*cnn_kernel)(const void *arguments, int32_t part, int32_t parts);

/* A tensor in memory; distances in bytes. Channels lie in blocks of 16 (DESIGN.md, section 4): [N][C/16][H][W][16]; a tensor of rank 2
 * [N,C] is [N][C/16][1][1][16], so it is plain row-major, padded to 16. In the pixel layout (network inputs of at most 4 channels)
 * they lie side by side: [N][H][W][C]; `pixel` is then channels × element size and `block` is 0.
 * The lanes behind the last channel hold values of no meaning: no kernel lets them reach a real channel.
 * Only cnn_conv.x, cnn_flatten.x and cnn_copy.view may have the pixel layout; every other view is in blocks. A tensor of at most 4 channels is
 * turned from blocks into pixels by import_plain with equal types: plain = x.data, strides = { x.image, element size, x.row, x.pixel }. */
typedef struct cnn_view {
  uint8_t *data;                    /* pixel (0,0) of block 0 of image 0: behind the halo */
  int64_t image, block, row;        /* from one to the next */
  int32_t pixel;
  int32_t batch, channels, height, width;
  int32_t halo;                     /* pixels on each of the four sides. Whoever writes the tensor fills them in every run: with
                                       zeros (float) or halo_value (uint8) */
  int32_t halo_value;
} cnn_view;

/* How an int32 sum becomes a uint8: Documentation/ARITHMETIC.md, "Requantize".
 *   q = Int32(roundTiesToEven(clamp(Float(sum) * scale[channel], low, high))) + zero_point */
typedef struct cnn_requantize {
  const float *scale;               /* per output channel, padded with zeros to a multiple of 16 */
  float low, high;                  /* qmin − zero_point, qmax − zero_point: a fused activation narrows them */
  int32_t zero_point;
} cnn_requantize;

/* Convolution (group 1) and fully connected (kernel 1×1 over rank 2): one loop over segments. Output pixel (oy, ox) sums over the segments s and the steps t
 *   float: x[oy·stride_y·x.row + ox·stride_x·x.pixel + offsets[s] + 4·t]            · weights[block][s][t][16 oc]
 *   uint8: four bytes at [… + offsets[s] + 4·t]                                     · weights[block][s][t][16 oc][4]
 * Segments are (ic block, ky, kx) with 16 floats or 4 groups of 4 bytes each, less in the last ic block; in the pixel layout ky alone, with the kernel's
 * whole row (or (ky, kx) where dilation_x ≠ 1). Kernels may read up to 64 bytes past the last byte of a segment; what they read there meets zero weights. */
typedef struct cnn_conv {
  cnn_view x, y;
  const uint8_t *weights;           /* aligned to 64 */
  int64_t weight_block;             /* bytes from a block of 16 output channels to the next */
  const void *bias;                 /* float or int32 per output channel, padded with zeros to 16. int32: with everything constant in it:
                                       bias + (input_offset − zero point of x) · Σw, wrapping (cnn_kernels.input_offset) */
  const int32_t *offsets;           /* [full_segments + last_segments], bytes from the output pixel's x, may be negative (padding) */
  int32_t full_segments, full_steps, last_segments, last_steps; /* the full segments come first */
  int32_t stride_y, stride_x;
  int32_t kernel_height, kernel_width, dilation_y, dilation_x, pad_top, pad_left; /* for kernels of special shapes */
  float low, high;                  /* float result: clamped (fused ReLU: 0, +inf); −inf, +inf: not */
  cnn_requantize requantize;        /* conv_u8 */
  /* conv_u8_f32: y is float, Float(sum) * requantize.scale[channel], clamped to low … high: the last layer of a quantized network */
} cnn_conv;

/* Max and average pooling, global too. The window is clipped to the image (x has no halo that counts); at least one of its elements must lie
 * in the image. */
typedef struct cnn_pool {
  cnn_view x, y;
  int32_t kernel_height, kernel_width, stride_y, stride_x, pad_top, pad_left, pad_bottom, pad_right, dilation_y, dilation_x;
  int32_t count_include_pad;        /* average: padding counts as elements of value 0 (real value), as far as pad_bottom, pad_right reach */
  float low, high;                  /* float: fused activation */
  float scale;                      /* average_pool_u8: sx / sy; the multiplier of a window of n elements is scale / Float(n) */
  int32_t x_zero_point, y_zero_point;
  float q_low, q_high;              /* average_pool_u8: as in cnn_requantize. max_pool_u8: x and y have one quantization */
} cnn_pool;

/* y = a + b. float: (a + b) clamped. uint8: ARITHMETIC.md, "Add":
 *   q = Int32(roundTiesToEven(clamp(Float(qa − za) * scale_a + Float(qb − zb) * scale_b, low, high))) + zy, no FMA */
typedef struct cnn_add {
  cnn_view a, b, y;
  float low, high;                  /* float: real values; uint8: qmin − zy, qmax − zy */
  float scale_a, scale_b;           /* sa / sy, sb / sy */
  int32_t a_zero_point, b_zero_point, y_zero_point;
} cnn_add;

/* y = clamp(x · scale[c] + shift[c]): batch normalisation; multiply, then add, no FMA. scale NULL: y = clamp(x) (ReLU). uint8: y = clamp(x, low, high)
 * on stored values (x and y have one quantization). */
typedef struct cnn_affine {
  cnn_view x, y;
  const float *scale, *shift;       /* per channel, padded to 16 */
  float low, high;
} cnn_affine;

/* Blocks → [N, C·H·W] in NCHW order, any element size 1 or 4. */
typedef struct cnn_flatten { cnn_view x, y; int32_t element_bytes; } cnn_flatten;

/* Softmax over the channels of [N,C] float (or uint8, dequantized first as Float(q − zero) * scale); y float. ARITHMETIC.md, "Softmax":
 * own exp, fixed order, no FMA: the same bits everywhere. */
typedef struct cnn_softmax { cnn_view x, y; int32_t x_is_u8; float x_scale; int32_t x_zero_point; } cnn_softmax;

/* Between the caller's memory and the session's. Strides in bytes, N C H W. */
typedef struct cnn_copy {
  cnn_view view;                    /* of the session's tensor */
  uint8_t *plain;                   /* the caller's */
  int64_t strides[4];
  int32_t plain_is_f32, view_is_f32;
  float scale; int32_t zero_point;  /* where they differ: q = Int32(roundTiesToEven(clamp(x / scale, −zero_point, 255 − zero_point))) + zero_point,
                                       NaN becomes 0; x = Float(q − zero_point) * scale */
} cnn_copy;

typedef struct cnn_kernels {
  const char *isa;
  /* What the int8 kernels add to each uint8 input before they multiply, negated: 128 where only int8 × int8 can be multiplied (NEON), else 0. */
  int32_t input_offset;
  cnn_kernel conv_f32, conv_u8, conv_u8_f32;
  cnn_kernel max_pool_f32, max_pool_u8, average_pool_f32, average_pool_u8;
  cnn_kernel add_f32, add_u8;
  cnn_kernel affine_f32, clamp_u8;
  cnn_kernel flatten, softmax;
  cnn_kernel import_plain;          /* cnn_copy: caller → session, halo included */
  cnn_kernel export_plain;          /* cnn_copy: session → caller */
} cnn_kernels;

/* Writes share `part` of the halo of a tensor in blocks or pixels: zeros (float) or halo_value. */
void cnn_fill_halo(const cnn_view *view, int32_t is_float, int32_t part, int32_t parts);

/* Each fills the table. Only those whose modules are linked for this processor family may be called: the first four on x86-64,
 * baseline and the NEON ones on aarch64 (where baseline is neon by another name). */
void cnn_kernels_baseline(cnn_kernels *out);
void cnn_kernels_avx2(cnn_kernels *out);
void cnn_kernels_avx512(cnn_kernels *out);
void cnn_kernels_avx512vnni(cnn_kernels *out);
void cnn_kernels_neon(cnn_kernels *out);
void cnn_kernels_neon_dotprod(cnn_kernels *out);
/* The algorithms of AVX-512 in portable C, for tests only: see CV_PORTABLE in CVector.h. */
void cnn_kernels_portable512(cnn_kernels *out);
/* The naive oracle: linked into the test library only, NULL in libcnnrt.so. */
void cnn_kernels_reference(cnn_kernels *out) __attribute__((weak));
static inline int cnn_has_reference(void) { return cnn_kernels_reference != 0; }
