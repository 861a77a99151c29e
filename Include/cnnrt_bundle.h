/* cnnrt_bundle.h: the bytes of a bundle (version 1).
 *
 * Documentation/FORMAT.md is normative and explains every field; this header is the same thing in C, read by the
 * runtime and by the tools alike. All numbers are little-endian; every struct has a fixed size and no hidden padding.
 * A bundle is: cnnb_header, then sections in any order (each at a multiple of 64), then the section table.
 */
#ifndef CNNRT_BUNDLE_H
#define CNNRT_BUNDLE_H
#include <stdint.h>

#define CNNB_MAGIC "\x89" "CNN\r\n\x1a\n" /* 8 bytes; the PNG trick: text-mode and 7-bit transfers are noticed */
#define CNNB_VERSION_MAJOR 1u             /* a reader refuses another major version */
#define CNNB_VERSION_MINOR 0u             /* a reader accepts a newer minor version and skips unknown optional sections */
#define CNNB_ALIGNMENT 64u                /* of every section in the file and of every constant in WEIGHTS */
#define CNNB_NONE 0xFFFFFFFFu             /* "no such index" */
#define CNNB_MAX_RANK 6u

/* ---- File header, 64 bytes, at offset 0 ------------------------------------------------------------------------- */
typedef struct cnnb_header {
  uint8_t magic[8];
  uint16_t version_major, version_minor;
  uint32_t flags;           /* CNNB_FLAG_… */
  uint64_t file_bytes;      /* of the whole file: a truncated file is noticed at once */
  uint64_t table_offset;    /* of cnnb_section[section_count] */
  uint32_t section_count;
  uint32_t table_crc32;     /* of the section table's bytes */
  uint32_t reserved[5];     /* 0 */
  uint32_t header_crc32;    /* of the 60 bytes before it */
} cnnb_header;

#define CNNB_FLAG_QUANTIZED 1u /* int8 weights and uint8 activations: the same bits on every instruction set */
#define CNNB_FLAG_MIXED 2u     /* … but some layers are kept in float, and carry no such promise */

/* ---- Section table entry, 64 bytes ------------------------------------------------------------------------------ */
typedef struct cnnb_section {
  uint32_t kind;            /* CNNB_SECTION_…; each at most once */
  uint32_t codec;           /* CNNB_CODEC_… */
  uint64_t offset;          /* in the file, a multiple of CNNB_ALIGNMENT */
  uint64_t stored_bytes;    /* in the file */
  uint64_t raw_bytes;       /* after decoding; equal to stored_bytes for CNNB_CODEC_STORED */
  uint32_t crc32;           /* of the raw bytes */
  uint32_t flags;           /* CNNB_SECTION_REQUIRED: a reader that does not know the kind must refuse the bundle */
  uint32_t reserved[6];     /* 0 */
} cnnb_section;

enum {
  CNNB_SECTION_GRAPH = 1,
  CNNB_SECTION_WEIGHTS = 2,
  CNNB_SECTION_QUANTIZATION = 3,
  CNNB_SECTION_RECIPE = 4,
  CNNB_SECTION_LABELS = 5,
  CNNB_SECTION_METADATA = 6,
  CNNB_SECTION_SELF_TEST = 7,
  CNNB_SECTION_TRAINING = 8,
};
enum { CNNB_CODEC_STORED = 0, CNNB_CODEC_DEFLATE = 1 /* a zlib stream (RFC 1950) */ };
#define CNNB_SECTION_REQUIRED 1u

/* ---- GRAPH ------------------------------------------------------------------------------------------------------ *
 * cnnb_graph, then in this order and without gaps:
 *   cnnb_tensor   tensors[tensor_count]
 *   cnnb_operator operators[operator_count]      in execution order: an input is written before it is read
 *   uint32_t      inputs[input_count]            tensor indices of the network's inputs
 *   uint32_t      outputs[output_count]          … and outputs
 *   uint32_t      operands[operand_count]        the operators' lists: inputs, then outputs (tensor index or CNNB_NONE)
 *   char          strings[string_bytes]          NUL-terminated UTF-8; offset 0 is the empty string
 */
typedef struct cnnb_graph {
  uint32_t tensor_count, operator_count, input_count, output_count, operand_count, string_bytes;
  uint32_t reserved[10];    /* 0 */
} cnnb_graph;               /* 64 bytes */

/* Element types: ONNX's numbers. */
enum {
  CNNB_TYPE_FLOAT32 = 1, CNNB_TYPE_UINT8 = 2, CNNB_TYPE_INT8 = 3, CNNB_TYPE_INT32 = 6, CNNB_TYPE_INT64 = 7,
  CNNB_TYPE_FLOAT16 = 10, CNNB_TYPE_BFLOAT16 = 16,
};

/* The order of a constant's elements in WEIGHTS. Activations have CNNB_LAYOUT_PLAIN (how they lie in memory is the
 * planner's affair). See FORMAT.md, "Kernel order". */
enum {
  CNNB_LAYOUT_PLAIN = 0,    /* row-major */
  CNNB_LAYOUT_CHANNELS = 1, /* one value per channel, padded with zeros to a multiple of 16 */
  CNNB_LAYOUT_CONV = 2,     /* [OC/16][segment][step][16 oc] (float) or [OC/16][segment][step][16 oc][4 ic] (int8) */
  CNNB_LAYOUT_DEPTHWISE = 3, /* [C/16][kH][kW][16 c] (float) or [C/16][kH][kW/4][16 c][4 kx] (int8): Conv with group = C = O */
  CNNB_LAYOUT_CONV_TRANSPOSE = 4, /* for each phase of the strides, the taps that meet it in the order of a Conv's */
};

typedef struct cnnb_tensor {
  uint32_t name;            /* offset in strings; unique among tensors that have one */
  uint32_t type;            /* CNNB_TYPE_… */
  uint32_t layout;          /* CNNB_LAYOUT_… */
  uint32_t rank;            /* 0 … CNNB_MAX_RANK */
  uint32_t dims[6];         /* logical shape (ONNX order: NCHW, OIHW); unused ones are 1 */
  uint32_t quantization;    /* index into QUANTIZATION, or CNNB_NONE */
  uint32_t flags;           /* CNNB_TENSOR_… */
  uint64_t data_offset;     /* constants: in WEIGHTS, a multiple of CNNB_ALIGNMENT */
  uint64_t data_bytes;      /* constants: exactly what shape, type and layout need */
} cnnb_tensor;              /* 64 bytes */
#define CNNB_TENSOR_CONSTANT 1u
#define CNNB_TENSOR_SIGNED 2u /* uint8: stands for int8, 128 less, which sums are rounded as (ARITHMETIC.md) */

/* Operators: ONNX names and meaning, except where FORMAT.md says otherwise. */
enum {
  CNNB_OP_CONV = 1,                 /* x, weight, bias?, [int8: weight sums] */
  CNNB_OP_GEMM = 2,                 /* x [N,K], weight [OC,K] (transB = 1), bias?, [int8: weight sums] */
  CNNB_OP_BATCH_NORMALIZATION = 3,  /* x, scale, bias, mean, variance */
  CNNB_OP_RELU = 4,
  CNNB_OP_MAX_POOL = 5,
  CNNB_OP_AVERAGE_POOL = 6,
  CNNB_OP_GLOBAL_AVERAGE_POOL = 7,
  CNNB_OP_GLOBAL_MAX_POOL = 8,
  CNNB_OP_ADD = 9,                  /* a, b, broadcast */
  CNNB_OP_FLATTEN = 10,             /* [N,C,H,W] -> [N, C·H·W] */
  CNNB_OP_SOFTMAX = 11,             /* over any axis but the first; output float32, or uint8 from uint8 */
  /* Element by element. uint8: a last operand, the table [256] uint8 of results (ARITHMETIC.md); not Clip. */
  CNNB_OP_CLIP = 12,                /* values: min, max */
  CNNB_OP_LEAKY_RELU = 13,          /* values: alpha */
  CNNB_OP_ELU = 14,                 /* values: alpha */
  CNNB_OP_SIGMOID = 15,
  CNNB_OP_TANH = 16,
  CNNB_OP_SWISH = 17,               /* x · sigmoid(alpha · x); values: alpha. 1: SiLU */
  CNNB_OP_HARD_SIGMOID = 18,        /* values: alpha, beta */
  CNNB_OP_HARD_SWISH = 19,
  CNNB_OP_GELU = 20,                /* integers: 1 for the tanh approximation */
  CNNB_OP_PRELU = 21,               /* x, slope [C] */
  /* Broadcasting as in ONNX, the first axis apart; at most one of the operands is a constant */
  CNNB_OP_SUB = 22,
  CNNB_OP_MUL = 23,
  CNNB_OP_DIV = 24,
  CNNB_OP_LRN = 25,                 /* x [N,C,H,W]; integers: size; values: alpha, beta, bias */
  CNNB_OP_CONV_TRANSPOSE = 26,      /* x, weight [C,OC/group,kH,kW], bias?, [int8: weight sums]; integers: output padding y, x */
  CNNB_OP_CONCAT = 27,              /* one to many inputs; integers: axis */
  CNNB_OP_SLICE = 28,               /* x, starts int32 [rank], steps int32 [rank]: normalised; steps may be negative */
  CNNB_OP_PAD = 29,                 /* x, pads int32 [2·rank] (all begins, then all ends, may be negative); integers: mode; values: value */
  CNNB_OP_RESHAPE = 30,             /* to the output's shape; the first axis stays */
  CNNB_OP_TRANSPOSE = 31,           /* integers: perm, perm[0] = 0 */
  CNNB_OP_RESIZE = 32,              /* x [N,C,H,W]; integers: mode, coordinate mode, nearest mode; values: scale y, scale x */
  CNNB_OP_DEPTH_TO_SPACE = 33,      /* integers: blocksize, mode (0 DCR, 1 CRD) */
  CNNB_OP_SPACE_TO_DEPTH = 34,      /* integers: blocksize */
  CNNB_OP_REDUCE_MEAN = 35,         /* integers: a bit for each axis, keepdims */
  CNNB_OP_REDUCE_SUM = 36,
  CNNB_OP_REDUCE_MAX = 37,
  CNNB_OP_REDUCE_MIN = 38,
  CNNB_OP_LAYER_NORMALIZATION = 39, /* x, scale?, bias?: of the normalised shape, plain; integers: axis; values: epsilon */
  CNNB_OP_GROUP_NORMALIZATION = 40, /* x [N,C,…], scale [C], bias [C]; integers: num_groups; values: epsilon */
  CNNB_OP_INSTANCE_NORMALIZATION = 41, /* x [N,C,…], scale [C], bias [C]; values: epsilon */
  CNNB_OP_MATMUL = 42,              /* a [N,…,M,K], b [N,…,K,P], broadcast over the axes before the last two; b may be a constant */
  CNNB_OP_DROPOUT = 43,             /* training only; otherwise y = x. values: ratio */
  CNNB_OP_QUANTIZE_LINEAR = 44,     /* x float32 -> uint8, by the output's quantization */
  CNNB_OP_DEQUANTIZE_LINEAR = 45,   /* x uint8 -> float32, by the input's quantization */
  CNNB_OP_ERF = 46,                 /* x; uint8: table */
};

enum { CNNB_PAD_CONSTANT = 0, CNNB_PAD_EDGE = 1, CNNB_PAD_REFLECT = 2, CNNB_PAD_WRAP = 3 };
enum { CNNB_RESIZE_NEAREST = 0, CNNB_RESIZE_LINEAR = 1 }; /* Resize's mode */
enum { CNNB_HALF_PIXEL = 0, CNNB_ASYMMETRIC = 1, CNNB_ALIGN_CORNERS = 2, CNNB_PYTORCH_HALF_PIXEL = 3 };
enum { CNNB_ROUND_PREFER_FLOOR = 0, CNNB_ROUND_PREFER_CEIL = 1, CNNB_FLOOR = 2, CNNB_CEIL = 3 };

/* Conv, ConvTranspose, Gemm, BatchNormalization, Add, Sub, Mul, Div may have one. */
enum {
  CNNB_ACTIVATION_NONE = 0,
  CNNB_ACTIVATION_RELU = 1,
  CNNB_ACTIVATION_CLIP = 2, /* activation_values: min, max */
};

typedef struct cnnb_operator {
  uint32_t name;            /* offset in strings: the layer's name */
  uint32_t kind;            /* CNNB_OP_… */
  uint32_t first_operand;   /* in operands */
  uint16_t input_count, output_count;
  uint32_t activation;      /* CNNB_ACTIVATION_…, applied to the result before it is stored */
  float activation_values[2]; /* 0; for activations with parameters */
  /* By kind; what a kind does not use is 0. See the list of kinds. Conv, ConvTranspose, MaxPool, AveragePool: window.
   * BatchNormalization: epsilon in values[0]. Softmax: axis in integers[0]. */
  struct {
    uint32_t kernel_height, kernel_width, stride_y, stride_x;
    uint32_t pad_top, pad_left, pad_bottom, pad_right;
    uint32_t dilation_y, dilation_x;
    uint32_t group;               /* Conv */
    uint32_t count_include_pad;   /* AveragePool */
    uint32_t ceil_mode;           /* pools */
  } window;
  uint32_t integers[6];
  float values[4];
  uint32_t reserved[2];     /* 0 */
} cnnb_operator;            /* 128 bytes */

/* ---- QUANTIZATION ----------------------------------------------------------------------------------------------- *
 * cnnb_quantization_header, cnnb_quantization entries[entry_count], float scales[scale_count]
 * real value = (stored value − zero_point) · scale
 */
typedef struct cnnb_quantization_header { uint32_t entry_count, scale_count, reserved[2]; } cnnb_quantization_header;
typedef struct cnnb_quantization {
  uint32_t first_scale;     /* in scales */
  uint32_t scale_count;     /* 1: per tensor; otherwise one per element of dims[axis] */
  int32_t zero_point;       /* uint8: 0 … 255; int8 weights: 0 */
  uint32_t axis;
} cnnb_quantization;        /* 16 bytes */

/* ---- RECIPE: how an image becomes the network's input ----------------------------------------------------------- */
enum { CNNB_CHANNELS_GREY = 0, CNNB_CHANNELS_RGB = 1, CNNB_CHANNELS_BGR = 2 };
enum {
  CNNB_RESIZE_STRETCH = 0,  /* to width × height, whatever the ratio of the sides */
  CNNB_RESIZE_CROP = 1,     /* the shorter side to resize_shorter, then the middle width × height is cut out */
  CNNB_RESIZE_LETTERBOX = 2 /* as large as fits, centred; the rest is fill */
};
typedef struct cnnb_recipe {
  uint32_t width, height, channels; /* the network's input: channels 1 or 3 */
  uint32_t channel_order;   /* CNNB_CHANNELS_… */
  uint32_t resize;          /* CNNB_RESIZE_… */
  uint32_t resize_shorter;  /* CNNB_RESIZE_CROP */
  uint32_t fill[3];         /* CNNB_RESIZE_LETTERBOX: 0 … 255 per channel, in channel order */
  float mean[3];            /* input = (pixel / 255 − mean) / deviation, per channel in channel order */
  float deviation[3];
  uint32_t reserved[1];     /* 0 */
} cnnb_recipe;              /* 64 bytes */

/* ---- LABELS and METADATA: a list of strings ---------------------------------------------------------------------- *
 * cnnb_strings, uint32_t offsets[count], char bytes[byte_count] (NUL-terminated UTF-8).
 * METADATA holds pairs: key, value, key, value … (count is even).
 */
typedef struct cnnb_strings { uint32_t count, byte_count, reserved[2]; } cnnb_strings;

/* ---- SELF_TEST ---------------------------------------------------------------------------------------------------- *
 * cnnb_self_test, then the inputs' bytes in order, then the outputs' bytes in order; each tensor in plain NCHW (row-major) and its
 * own element type, batch 1. */
typedef struct cnnb_self_test {
  uint32_t input_count, output_count; /* the graph's */
  float tolerance;          /* float outputs: largest |difference| / largest |expected|; uint8 outputs must be equal.
                               Outputs of a bundle that is quantized and not mixed must be equal to the bit. */
  uint32_t reserved;        /* 0 */
  uint64_t input_bytes, output_bytes; /* of all inputs, of all outputs */
} cnnb_self_test;           /* 32 bytes */

/* ---- TRAINING: the trainer's state, opaque to inference -------------------------------------------------------------- */

#endif
