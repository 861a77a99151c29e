/* classify.c: what is in a picture? A whole C99 program on libcnnrt.
 *
 *   cc -std=c99 classify.c $(pkg-config --cflags --libs cnnrt) -o classify
 *   ./classify model.cnn picture.pgm
 *
 * Pictures are binary PGM or PPM (P5, P6; "convert picture.jpg picture.ppm" makes one), read by the program itself so that it needs
 * no other library. A camera's frame would go into cnnrt_session_set_image in the same way. */
#include <cnnrt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The next number of a PNM header, after spaces and comments; 0 if there is none or it is larger than 65535. */
static uint32_t header_number(FILE *file) {
  int c = fgetc(file);
  while (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '#') {
    if (c == '#')
      while (c != '\n' && c != EOF) c = fgetc(file);
    c = fgetc(file);
  }
  uint32_t number = 0;
  for (; c >= '0' && c <= '9' && number <= 65535; c = fgetc(file)) number = 10 * number + (uint32_t)(c - '0');
  return number <= 65535 ? number : 0;
}

/* Reads a PGM or PPM. The pixels are image->pixels, to be freed; NULL if the file is not one. */
static uint8_t *read_pnm(const char *path, cnnrt_image *image) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  uint8_t *pixels = NULL;
  int p = fgetc(file), kind = fgetc(file);
  if (p == 'P' && (kind == '5' || kind == '6')) {
    image->width = header_number(file);
    image->height = header_number(file);
    image->channels = kind == '5' ? 1 : 3;
    image->row_bytes = (int64_t)image->width * image->channels;
    size_t bytes = (size_t)image->row_bytes * image->height;
    if (header_number(file) == 255 && bytes > 0) pixels = malloc(bytes);
    if (pixels && fread(pixels, 1, bytes, file) != bytes) {
      free(pixels);
      pixels = NULL;
    }
  }
  fclose(file);
  image->pixels = pixels;
  return pixels;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: classify MODEL.cnn PICTURE.pgm\n");
    return 2;
  }
  cnnrt_image image = {0};
  image.size = sizeof image;
  uint8_t *pixels = read_pnm(argv[2], &image);
  if (!pixels) {
    fprintf(stderr, "classify: %s: is not a readable binary PGM or PPM with 8 bits\n", argv[2]);
    return 1;
  }

  cnnrt_error error = CNNRT_ERROR_INIT;
  cnnrt_model *model = NULL;
  cnnrt_session *session = NULL;
  cnnrt_class best[3];
  int failed = cnnrt_model_open(argv[1], NULL, &model, &error)
               || cnnrt_session_create(model, NULL, &session, &error)
               || cnnrt_session_set_image(session, &image, &error)
               || cnnrt_session_run(session, &error)
               || cnnrt_session_top_k(session, 0, 3, best, &error);
  if (failed) fprintf(stderr, "classify: %s: %s: %s\n", argv[1], error.where, error.message);
  for (int i = 0; i < 3 && !failed; i++) {
    if (best[i].index == UINT32_MAX) break; /* the network has fewer classes */
    const char *label = cnnrt_model_label(model, best[i].index);
    if (label) printf("%6.2f %%  %s\n", 100.0 * best[i].score, label);
    else printf("%6.2f %%  class %" PRIu32 "\n", 100.0 * best[i].score, best[i].index);
  }
  cnnrt_session_destroy(session);
  cnnrt_model_close(model);
  free(pixels);
  return failed;
}
