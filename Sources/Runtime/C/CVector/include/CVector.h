/* The few vector operations that Swift cannot spell, chosen by the module's -march flags. Static inline only. */
#pragma once
#include <stdint.h>
typedef int32_t cv_i32x16 __attribute__((ext_vector_type(16)));
typedef float cv_f32x16 __attribute__((ext_vector_type(16)));
typedef uint8_t cv_u8x16 __attribute__((ext_vector_type(16)));
