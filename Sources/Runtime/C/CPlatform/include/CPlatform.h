/* libc, zlib and the processor, as Swift can see them: static inline functions only, no variables. */
#pragma once
#include <stddef.h>
#include <stdint.h>
