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
 * Only cnn_conv.x, cnn_flatten.x, cnn_copy.view and what works element by element may have the pixel layout; every other view is in blocks. A tensor of at most 4 channels is
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

/* Where the weights and inputs of one block of 16 output channels of a grouped convolution are: as the fields of the same names
 * in cnn_conv. The input blocks of a segment table are those that the block's groups touch (FORMAT.md, "Kernel order"). */
typedef struct cnn_conv_block {
  const uint8_t *weights;           /* aligned to 64 */
  const int32_t *offsets;
  int32_t full_segments, full_steps, last_segments, last_steps;
} cnn_conv_block;

/* Convolution and fully connected (kernel 1×1 over rank 2): one loop over segments. Output pixel (oy, ox) sums over the segments s and the steps t
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
  int32_t full_segments, full_steps, last_segments, last_steps; /* the full segments come first; there may be none at all */
  const cnn_conv_block *blocks;     /* grouped: one for each block of output channels, instead of the five fields above and
                                       weight_block. NULL: group 1 */
  int32_t stride_y, stride_x;
  int32_t kernel_height, kernel_width, dilation_y, dilation_x, pad_top, pad_left; /* for kernels of special shapes */
  float low, high;                  /* float result: clamped (fused ReLU: 0, +inf); −inf, +inf: not */
  cnn_requantize requantize;        /* conv_u8 */
  /* conv_u8_f32: y is float, Float(sum) * requantize.scale[channel], clamped to low … high: the last layer of a quantized network */
} cnn_conv;
/* ConvTranspose is one cnn_conv (stride 1) for each phase of its strides: y is every stride-th pixel of the output (y.row, y.pixel are
 * multiples, y.halo is 0), the segments are the taps that meet the phase; fill_halo comes last. Its kernel_height is 0: the segments alone say what is summed.
 *
 * Depthwise convolution (group = channels = output channels) has the same arguments: weights in CNNB_LAYOUT_DEPTHWISE, weight_block the bytes of 16
 * channels, offsets NULL; x in blocks. Sum of a channel over ky, kx: x[oy·stride_y + ky·dilation_y − pad_top][…] · weights[block][ky][kx][c]. Kernels may
 * read as far past a row of the window as three pixels. */

/* Max and average pooling, global too. The window is clipped to the image (x has no halo that counts); at least one of its elements must lie
 * in the image. */
typedef struct cnn_pool {
  cnn_view x, y;
  int32_t kernel_height, kernel_width, stride_y, stride_x, pad_top, pad_left, pad_bottom, pad_right, dilation_y, dilation_x;
  int32_t count_include_pad;        /* average: padding counts as elements of value 0 (real value), as far as pad_bottom, pad_right reach */
  float low, high;                  /* float: fused activation */
  int32_t is_exact;                 /* average_pool_u8: the sum is exact, as in GlobalAveragePool; else of floats (ARITHMETIC.md) */
  float x_scale, y_scale;           /* average_pool_u8 */
  int32_t x_zero_point, y_zero_point; /* average_pool_u8. max_pool_u8: x and y have one quantization */
  int32_t y_offset;                 /* average_pool_u8: 0, or 128 where stored results stand for int8 */
} cnn_pool;

/* y = a + b. float: (a + b) clamped. uint8: ARITHMETIC.md, "Add":
 *   q = roundTiesToEven(clamp(fma(Float(qa − offset), scale_a, fma(Float(qb − offset), scale_b, shift)), low, high)) + offset */
typedef struct cnn_add {
  cnn_view a, b, y;
  float low, high;                  /* float: real values; uint8: qmin, qmax, less the offset */
  float scale_a, scale_b, shift;    /* sa / sy, sb / sy, and what the zero points, less the offset, add */
  int32_t offset;                   /* 0, or 128 where stored values stand for int8 */
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

/* ---- Tensors of any rank ------------------------------------------------------------------------------------------ *
 * A tensor may also lie plain: row-major, without gaps or halo, one image after another. As a cnn_view it is one row of `width` = all its
 * elements, channels 1, pixel = element size, block 0: what works element by element takes it like the pixel layout.
 *
 * Kernels that index walk along axes. The address of an element is the sum of one number of bytes for each axis, also where
 * channels lie in blocks of 16: so an axis is a table. */
typedef struct cnn_axis {
  int32_t count;
  const int32_t *x, *y;             /* [count] bytes; y may be NULL where there is none */
} cnn_axis;
#define CNN_AXES 5                  /* at most, images apart */
#define CNN_OUTSIDE INT32_MIN       /* in cnn_axis.x of cnn_move: the element has the value `fill` */

/* y[i…] = x[i…]: transpose, reshape, concat, slice, pad, nearest resize, depth to space, and from one layout to another. */
typedef struct cnn_move {
  const uint8_t *x;
  uint8_t *y;
  int64_t x_image, y_image;
  int32_t batch, axis_count;        /* axes [0, axis_count), the last innermost; 0 axes: one unit */
  cnn_axis axes[CNN_AXES];
  int32_t unit;                     /* bytes that are moved together: an element, a block of 16 channels, a run of elements */
  int32_t element_bytes;            /* 1 or 4 */
  uint32_t fill;                    /* float bits, or a byte */
  const uint8_t *table;             /* uint8: y = table[x] (another quantization); NULL: y = x. Not applied to fill */
  cnn_view halo;                    /* y with its halo, which is filled too; halo.halo 0: none */
} cnn_move;

/* Element by element, x and y of one shape and layout (blocks, pixels or plain). float: `kind` is the CNNB_OP_… of an activation, alpha and beta
 * its attributes; CNNB_OP_GELU: alpha 1 means the tanh approximation. uint8: y = table[x]. Relu and Clip are cnn_affine. */
typedef struct cnn_unary {
  cnn_view x, y;
  int32_t kind;
  float alpha, beta;
  const uint8_t *table;             /* [256] */
} cnn_unary;

/* y = x < 0 ? x · slope[c] : x, in blocks. uint8: ARITHMETIC.md, "PRelu". */
typedef struct cnn_prelu {
  cnn_view x, y;
  const float *slope;               /* per channel, padded to 16 */
  float scale;                      /* sx / sy */
  int32_t x_zero_point, y_zero_point;
  float low, high;                  /* −zy, 255 − zy */
} cnn_prelu;

/* y = a ∘ b, broadcast: CNNB_OP_ADD, SUB, MUL or DIV in `kind`. Axes from the outermost; strides in bytes, 0 where an operand is repeated. The innermost is
 * the run: elements side by side in y; an operand steps through it (1) or has one value for all of it (0). uint8: ARITHMETIC.md. */
typedef struct cnn_binary {
  int32_t kind;
  const uint8_t *a, *b;
  uint8_t *y;
  int64_t a_image, b_image, y_image;
  int32_t batch;
  int32_t counts[CNN_AXES - 1];     /* unused ones are 1 */
  int32_t a_strides[CNN_AXES - 1], b_strides[CNN_AXES - 1], y_strides[CNN_AXES - 1];
  int32_t run, a_step, b_step;
  float low, high;                  /* float: fused activation; uint8: qmin, qmax, less the offset */
  float scale_a, scale_b;           /* uint8: Add, Sub: sa / sy, ±sb / sy. Mul: scale_a = (sa · sb) / sy. Div: scale_a = sa / sy, scale_b = sb */
  float shift;                      /* uint8: Add, Sub: as in cnn_add. Mul, Div: Float(zy − offset) */
  int32_t offset;                   /* as in cnn_add */
  int32_t a_zero_point, b_zero_point; /* Mul, Div */
  cnn_view halo;                    /* as in cnn_move */
} cnn_binary;

/* Local response normalisation across channels, in blocks: y = x · (bias + alpha / size · Σ x²)^−beta. uint8: ARITHMETIC.md. */
typedef struct cnn_lrn {
  cnn_view x, y;
  int32_t size;
  float alpha_over_size, beta, bias;
  float x_scale, y_scale;           /* uint8 */
  int32_t x_zero_point, y_zero_point;
} cnn_lrn;

/* Bilinear resize, in blocks, x and y of one quantization. Output row i is rows[i].first · (1 − weight) + rows[i].second · weight, columns alike, columns first.
 * uint8: the weights are fixed / 2048 (ARITHMETIC.md, "Resize"). */
typedef struct cnn_tap { int32_t first, second; /* index of a row or column of x */ float weight; int32_t fixed; } cnn_tap;
typedef struct cnn_resize { cnn_view x, y; const cnn_tap *rows, *columns; } cnn_resize;

/* CNNB_OP_REDUCE_… in `kind`, over `reduced` axes for each place of the `kept` ones. */
typedef struct cnn_reduce {
  int32_t kind;
  int32_t lanes;                    /* elements side by side at each place that are reduced apart: 1, or 16 (a block of channels) */
  const uint8_t *x;
  uint8_t *y;
  int64_t x_image, y_image;
  int32_t batch, kept_count, reduced_count;
  cnn_axis kept[CNN_AXES], reduced[CNN_AXES];
  float scale;                      /* uint8: sum: sx / sy; mean: (sx / sy) / Float(n). max, min: one quantization */
  int32_t x_zero_point, y_zero_point;
  float low, high;                  /* uint8: −zy, 255 − zy */
  cnn_view halo;
} cnn_reduce;

/* Group normalisation in blocks ([N,C,…], as [N,C,H,W]); instance normalisation has as many groups as channels. */
typedef struct cnn_group_norm {
  cnn_view x, y;
  int32_t groups;
  const float *scale, *bias;        /* per channel, padded to 16 */
  float epsilon;
  float x_scale, y_scale;           /* uint8 */
  int32_t x_zero_point, y_zero_point;
} cnn_group_norm;

/* Layer normalisation of rows of `length` elements that lie side by side. */
typedef struct cnn_layer_norm {
  const uint8_t *x;
  uint8_t *y;
  int64_t rows, x_row, y_row;       /* number, and bytes from one to the next */
  int32_t length;
  const float *scale, *bias;        /* [length], or NULL: 1 and 0 */
  float epsilon;
  float x_scale, y_scale;           /* uint8 */
  int32_t x_zero_point, y_zero_point;
} cnn_layer_norm;

/* Softmax along an axis of a plain tensor: for each outer and inner index over `length` elements, inner · element size apart. The rule of cnn_softmax; y float, or
 * uint8 (y_is_u8; x is uint8 then). */
typedef struct cnn_softmax_axis {
  const uint8_t *x;
  uint8_t *y;
  int64_t outer;                    /* images included */
  int32_t length, inner;
  int32_t x_is_u8, y_is_u8;
  float x_scale, y_scale;
  int32_t x_zero_point, y_zero_point;
} cnn_softmax_axis;

/* y [M,P] = a [M,K] · b [K,P], row-major, for each place of the outer axes. uint8: exact int32 sums of (qa − za) · (qb − zb), then Requantize. */
typedef struct cnn_matmul {
  const uint8_t *a, *b;
  uint8_t *y;
  int32_t counts[4];                /* outer axes, images first */
  int64_t a_strides[4], b_strides[4], y_strides[4]; /* bytes */
  int32_t m, k, p;
  int64_t a_row, b_row, y_row;      /* bytes */
  float scale;                      /* uint8: (sa · sb) / sy */
  int32_t a_zero_point, b_zero_point, y_zero_point;
  float low, high;                  /* uint8: −zy, 255 − zy */
} cnn_matmul;

typedef struct cnn_halo { cnn_view view; int32_t is_float; } cnn_halo;

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
  int32_t is_alike;                 /* import_plain: plain is laid out like the view, its image, block and row so far apart: strides[0 … 2] */
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
  cnn_kernel depthwise_f32, depthwise_u8, depthwise_u8_f32; /* cnn_conv */
  cnn_kernel move;
  cnn_kernel unary_f32, unary_u8;
  cnn_kernel prelu_f32, prelu_u8;
  cnn_kernel binary_f32, binary_u8;
  cnn_kernel lrn_f32, lrn_u8;
  cnn_kernel resize_f32, resize_u8;
  cnn_kernel reduce_f32, reduce_u8;
  cnn_kernel group_norm_f32, group_norm_u8;
  cnn_kernel layer_norm_f32, layer_norm_u8;
  cnn_kernel softmax_axis;
  cnn_kernel matmul_f32, matmul_u8;
  cnn_kernel fill_halo;             /* cnn_halo */
  cnn_kernel import_plain;          /* cnn_copy: caller → session, halo included */
  cnn_kernel export_plain;          /* cnn_copy: session → caller */
} cnn_kernels;

/* Writes share `part` of the halo of a tensor in blocks or pixels: zeros (float) or halo_value. */
void cnn_fill_halo(const cnn_view *view, int32_t is_float, int32_t part, int32_t parts);

/* A depthwise convolution's loop over rows, which is compiled once; what an instruction set brings to it are two functions. `sum`: the sums of `tiles` tiles side
 * by side, of `pixels` output pixels each, 16 floats or int32 to a pixel, at `sums`; x lies beneath the first tap. `finish`: scales `pixels` of them and stores
 * each at its place, in bytes from block 0 of y. */
typedef struct cnn_depthwise_window {
  const uint8_t *bias, *weights;    /* of a block of 16 channels */
  int64_t height, width, row, tap, step; /* of the kernel; bytes from tap to tap, and from an output pixel's input to the next one's */
} cnn_depthwise_window;
typedef void (*cnn_depthwise_sum)(const cnn_conv *, const cnn_depthwise_window *, const uint8_t *x, uint8_t *sums, int64_t tiles);
typedef void (*cnn_depthwise_finish)(const cnn_conv *, uint8_t *sums, int64_t block, int64_t pixels);
void cnn_depthwise(const cnn_conv *arguments, int32_t part, int32_t parts, cnn_depthwise_sum sum, cnn_depthwise_finish finish, int64_t pixels,
                   int32_t is_float);

/* The same for pools: `reduce` makes of the rows × columns pixels of a window, from x on, an output pixel at y, and so for `pixels` windows side by side, `step`
 * bytes apart; `count` is what an average divides by. */
typedef struct cnn_window { const uint8_t *x; int64_t rows, columns, row, pixel, count, pixels, step; } cnn_window;
typedef void (*cnn_window_reduce)(const cnn_pool *, const cnn_window *, uint8_t *y);
void cnn_pool_windows(const cnn_pool *arguments, int32_t part, int32_t parts, cnn_window_reduce reduce, int32_t is_float);

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
