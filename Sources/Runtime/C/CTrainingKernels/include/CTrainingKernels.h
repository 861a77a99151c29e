/* What training needs of an instruction set beside the inference kernels of CKernels.h: the backward passes and the batch statistics.
 * Forward convolutions and the gradients of their inputs are cnn_kernels.conv_f32. */
#pragma once
#include "CKernels.h"

/* Images `first` … `first + count − 1` of a prepared call, as share `share` of the batch. Shares run at the same time; what they sum up goes
 * to a place of each share's own, and images come in order, so a batch cut in the same way gives the same bits. Allocates nothing. */
typedef void (*cnn_training_kernel)(const void *arguments, int32_t first, int32_t count, int32_t share);

/* A tensor of a batch, or one image for each share where it is not needed for longer:
 * image n lies at view.data + n · view.image + share · this.share, one of the two distances being 0. */
typedef struct cnn_slot {
  cnn_view view;
  int64_t share;                    /* bytes */
} cnn_slot;

/* Gradient of a convolution's (or fully connected layer's) weights and bias, added to what is there:
 *   weights[block][s][t][16 oc] += Σ over images and output pixels  dy[oc] · x[oy·stride_y·row + ox·stride_x·pixel + offsets[s] + 4·t]
 *   bias[oc]                    += Σ dy[oc]
 * in the order of cnn_conv's weights and with its table of offsets. */
typedef struct cnn_conv_gradient {
  cnn_slot x, dy;
  const int32_t *offsets;
  int32_t full_segments, full_steps, last_segments, last_steps;
  int32_t stride_y, stride_x;
  float *weights, *bias;            /* of share 0; bias may be NULL */
  int64_t share;                    /* bytes to the next share's weights and bias */
} cnn_conv_gradient;

/* Mean and sum of squared deviations of each channel, image by image, merged into those of the share (Chan, Golub & LeVeque 1979). */
typedef struct cnn_batch_statistics {
  cnn_slot x;
  double *mean, *m2, *count;        /* of share 0: per channel, padded to 16; count has one element: of values seen */
  int64_t share;                    /* bytes to the next share's */
} cnn_batch_statistics;

/* Backward through batch normalisation, y = x · scale + shift and perhaps ReLU, in two passes over the batch.
 * reduce: masks dy in place where relu is set and x · scale + shift ≤ 0; sum += Σ dy, product += Σ dy · (x − mean).
 * apply:  dx = scale · (dy − dy_mean − (x − mean) · slope), with slope = (Σ dy · (x − mean) / n) / (variance + ε). */
typedef struct cnn_batch_norm_gradient {
  cnn_slot x, dy, dx;
  const float *mean, *scale, *shift, *dy_mean, *slope; /* per channel, padded to 16 */
  int32_t relu;
  double *sum, *product;            /* of share 0 */
  int64_t share;
} cnn_batch_norm_gradient;

/* dx = for each window, dy at the first largest x (max) or dy / n everywhere (average; n: see cnn_pool), summed over the windows. */
typedef struct cnn_pool_gradient {
  cnn_slot x, dy, dx;               /* x: max only */
  int32_t kernel_height, kernel_width, stride_y, stride_x, pad_top, pad_left, pad_bottom, pad_right, dilation_y, dilation_x;
  int32_t count_include_pad;
} cnn_pool_gradient;

/* Pixel by pixel. mask: target = source where y > 0, else 0 (ReLU; target may be source). copy: target = source. add: target += source. */
typedef struct cnn_elementwise_gradient { cnn_slot source, y, target; } cnn_elementwise_gradient;

/* [N, C·H·W] in NCHW order → blocks. */
typedef struct cnn_flatten_gradient { cnn_slot dy, dx; } cnn_flatten_gradient;

typedef struct cnn_training_kernels {
  cnn_training_kernel conv_gradient;
  cnn_training_kernel batch_statistics, batch_norm_reduce, batch_norm_apply;
  cnn_training_kernel max_pool_gradient, average_pool_gradient;
  cnn_training_kernel mask, copy, add;
  cnn_training_kernel flatten_gradient;
} cnn_training_kernels;

void cnn_training_kernels_baseline(cnn_training_kernels *out);
void cnn_training_kernels_avx2(cnn_training_kernels *out);
void cnn_training_kernels_avx512(cnn_training_kernels *out);
void cnn_training_kernels_avx512vnni(cnn_training_kernels *out);
void cnn_training_kernels_neon(cnn_training_kernels *out);
void cnn_training_kernels_neon_dotprod(cnn_training_kernels *out);

/* Rows of the weight gradient's register tile: with two vector registers (AVX2), one (AVX-512) or four (SSE, NEON) to a row of 16. */
#if defined(__AVX512F__)
#define CNN_GRADIENT_ROWS 8
#elif defined(__AVX2__) || defined(__aarch64__)
#define CNN_GRADIENT_ROWS 6
#else
#define CNN_GRADIENT_ROWS 3
#endif
