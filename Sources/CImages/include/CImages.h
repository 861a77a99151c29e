/* CImages.h: PNG and JPEG files to 8-bit pixels.
 *
 * In C because libpng and libjpeg report errors by longjmp, which must not cross Swift frames. Never prints; any number of
 * threads may decode at once. */
#ifndef CIMAGES_H
#define CIMAGES_H
#include <stddef.h>
#include <stdint.h>

/* Pixels as they are seen: rows from top to bottom without gaps, upright. */
typedef struct images_pixels {
  uint8_t *bytes;    /* height · width · channels; free with images_free */
  uint32_t width, height;
  uint32_t channels; /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA */
} images_pixels;

typedef struct images_error {
  char message[256]; /* what is wrong with the file and what to do, no newline: "is empty" */
} images_error;

enum {
  images_max_pixels = 100000000, /* a sensible max_pixels: 100 million, at most 400 MB of pixels */
  images_max_side = 1000000      /* no image may be wider or higher */
};

/* Decodes a PNG or JPEG in memory, told apart by their first bytes.
 *
 * PNG: every colour type, interlaced or not. Depths 1, 2 and 4 are spread over 0 … 255, of 16 bits the nearest of 8 is taken:
 *   (v · 255 + 32767) / 65535. Palettes become RGB; an index beyond the palette is black. An alpha channel or a transparent
 *   colour (tRNS) becomes channel 2 or 4, colours are not multiplied by it.
 * JPEG: baseline or progressive, 8 bits; grey stays grey, all others become RGB, CMYK by (255 − ink) · (255 − black) / 255. Turned
 *   upright as EXIF says; an EXIF that makes no sense is ignored.
 * Values are taken as they are: gamma, colour profiles, backgrounds and a PNG's EXIF are ignored.
 *
 * Refuses more than max_pixels, and sides longer than images_max_side, before memory for them is allocated: at most 4 bytes
 * per allowed pixel for the pixels, and as many again for what a progressive JPEG collects first.
 * A file that is damaged where it matters or ends early is an error, never half an image.
 * Returns 0, or non-zero with *error filled and *out empty. */
int images_decode(const uint8_t *bytes, size_t count, uint64_t max_pixels, images_pixels *out, images_error *error);

/* The same from a file of at most 512 MB. */
int images_read(const char *path, uint64_t max_pixels, images_pixels *out, images_error *error);

/* The same from an open file or pipe, read to its end: 0 is standard input. */
int images_read_stream(int descriptor, uint64_t max_pixels, images_pixels *out, images_error *error);

void images_free(images_pixels *pixels);

#endif
