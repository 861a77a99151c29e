/* What the two decoders and CImages.c share. */
#pragma once
#include "CImages.h"

/* Allocates out->bytes for a header that was just read; refuses empty and too large images. */
int images_allocate(uint64_t width, uint64_t height, uint32_t channels, uint64_t max_pixels, images_pixels *out,
                    images_error *error);
/* Fills *error and returns 1. */
int images_fail(images_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

int images_decode_png(const uint8_t *bytes, size_t count, uint64_t max_pixels, images_pixels *out, images_error *error);
int images_decode_jpeg(const uint8_t *bytes, size_t count, uint64_t max_pixels, images_pixels *out, images_error *error);
