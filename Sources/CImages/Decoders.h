/* What the decoders and Images.c share. */
#pragma once
#include "CImages.h"

/* Refuses empty and too large images, by their header: before anything is allocated for them. */
int images_check_size(uint64_t width, uint64_t height, uint64_t max_pixels, images_error *error);
/* Allocates out->bytes for an image whose size was checked. */
int images_allocate(uint32_t width, uint32_t height, uint32_t channels, images_pixels *out, images_error *error);
/* Fills *error and returns 1. */
int images_fail(images_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* 1 … 8, from the bytes of a JPEG's APP1 marker. 1, upright, if its EXIF is damaged or says nothing; 0 if it holds no EXIF. */
int images_exif_orientation(const uint8_t *marker, size_t count);

int images_decode_png(const uint8_t *bytes, size_t count, uint64_t max_pixels, images_pixels *out, images_error *error);
int images_decode_jpeg(const uint8_t *bytes, size_t count, uint64_t max_pixels, images_pixels *out, images_error *error);
