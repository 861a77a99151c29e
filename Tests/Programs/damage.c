/* damage BUNDLE SEED COUNT: opens and runs the bundle cut at every length, and COUNT times with random changes under right
 * checksums. Prints how many were opened; a crash ends the program by a signal. */
#include "host.h"
#include <cnnrt_bundle.h>
#include <zlib.h>

static uint64_t state;
static uint64_t random_number(void) { /* SplitMix64 */
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}
static uint64_t below(uint64_t n) { return random_number() % n; }

static long opened, ran, refused[10];

static void use(const uint8_t *bytes, size_t count, int may_run) {
  cnnrt_model_options options = {.size = sizeof options, .max_memory = 64 << 20, .max_work = 20000000};
  cnnrt_model *model;
  error.status = CNNRT_OK;
  cnnrt_status status = cnnrt_model_open_memory(bytes, count, &options, &model, &error);
  if (status) {
    if (status != error.status || !error.message[0] || model) { fprintf(stderr, "an error without words\n"); exit(1); }
    refused[status]++;
    return;
  }
  opened++;
  cnnrt_model_info info = {.size = sizeof info};
  must(cnnrt_model_get_info(model, &info), "info");
  for (uint32_t i = 0; i < info.layer_count; i++) {
    cnnrt_layer_info layer = {.size = sizeof layer, .output.size = sizeof layer.output};
    must(cnnrt_model_get_layer(model, i, &layer), "layer");
    if (strlen(layer.name) + strlen(layer.op) + strlen(layer.output.name) > count) exit(1);
  }
  for (uint32_t i = 0; i < info.label_count; i++) if (strlen(cnnrt_model_label(model, i)) > count) exit(1);
  for (uint32_t i = 0; i < info.metadata_count; i++) cnnrt_model_metadata(model, cnnrt_model_metadata_key(model, i));
  cnnrt_session_options how = {.size = sizeof how, .threads = 1 + (int)below(2), .batch = 1 + (int)below(2)};
  cnnrt_session *s;
  if (may_run && !cnnrt_session_create(model, &how, &s, &error)) {
    uint8_t pixels[4 * 9 * 7];
    memset(pixels, 99, sizeof pixels);
    cnnrt_image image = {.size = sizeof image, .pixels = pixels, .width = 9, .height = 7, .channels = 1 + (uint32_t)below(4), .row_bytes = 36};
    cnnrt_session_set_image(s, &image, &error);
    must(cnnrt_session_run(s, &error), "run");
    ran++;
    cnnrt_session_self_test(s, &error);
    cnnrt_class best[5];
    must(cnnrt_session_top_k(s, 0, 5, best, &error), "top_k");
    cnnrt_session_destroy(s);
  }
  cnnrt_model_close(model);
}

static void fix_checksums(uint8_t *bytes) {
  cnnb_header *header = (cnnb_header *)bytes;
  cnnb_section *table = (cnnb_section *)(bytes + header->table_offset);
  for (uint32_t i = 0; i < header->section_count; i++)
    table[i].crc32 = (uint32_t)crc32(0, bytes + table[i].offset, (uInt)table[i].stored_bytes);
  header->table_crc32 = (uint32_t)crc32(0, (uint8_t *)table, 64 * header->section_count);
  header->header_crc32 = (uint32_t)crc32(0, bytes, 60);
}

static uint32_t interesting(uint32_t old) {
  static const uint32_t values[] = {0, 1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 255, 65535, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0x7F800000, 0x7FC00000, 1};
  switch (below(4)) {
    case 0: return values[below(sizeof values / sizeof *values)];
    case 1: return old + (uint32_t)below(5) - 2;
    case 2: return old ^ 1u << below(32);
    default: return old * (uint32_t)(1 + below(4));
  }
}

int main(int argc, char **argv) {
  (void)argc;
  FILE *file = fopen(argv[1], "rb");
  static uint8_t original[1 << 20] __attribute__((aligned(64)));
  size_t count = fread(original, 1, sizeof original, file);
  fclose(file);
  state = strtoull(argv[2], NULL, 0);
  long rounds = strtol(argv[3], NULL, 0);
  for (size_t n = 0; n < count; n++) use(original, n, 1);
  if (opened) { fprintf(stderr, "a truncated bundle was opened\n"); return 1; }
  use(original, count, 1);
  if (opened != 1 || ran != 1) { fprintf(stderr, "the whole bundle does not work: %s %s\n", error.where, error.message); return 1; }
  static uint8_t bytes[1 << 20] __attribute__((aligned(64)));
  const cnnb_header *header = (const cnnb_header *)original;
  const cnnb_section *table = (const cnnb_section *)(original + header->table_offset);
  for (long i = 0; i < rounds; i++) {
    memcpy(bytes, original, count);
    for (uint64_t changes = 1 + below(3); changes; changes--) {
      const cnnb_section *s = &table[below(header->section_count)];
      /* The weights are not looked at; the graph is where the dangers are. */
      if (below(4)) for (uint32_t k = 0; k < header->section_count; k++) if (table[k].kind == CNNB_SECTION_GRAPH) s = &table[k];
      uint8_t *start = bytes + s->offset;
      if (s->stored_bytes >= 4 && below(8)) {
        uint32_t *word = (uint32_t *)start + below(s->stored_bytes / 4);
        *word = interesting(*word);
      } else {
        start[below(s->stored_bytes)] = (uint8_t)random_number();
      }
    }
    fix_checksums(bytes);
    /* Some also in the table and the header themselves. */
    if (!below(10)) {
      uint8_t *place = below(3) ? bytes + header->table_offset + below(64 * header->section_count) : bytes + below(64);
      *place = (uint8_t)random_number();
      cnnb_header *h = (cnnb_header *)bytes;
      if (h->table_offset == header->table_offset && h->section_count == header->section_count)
        h->table_crc32 = (uint32_t)crc32(0, bytes + h->table_offset, 64 * h->section_count);
      h->header_crc32 = (uint32_t)crc32(0, bytes, 60);
    }
    use(bytes, count, 1);
  }
  printf("opened %ld, ran %ld, refused: format %ld, unsupported %ld, limit %ld\n", opened, ran, refused[CNNRT_ERROR_FORMAT],
         refused[CNNRT_ERROR_UNSUPPORTED], refused[CNNRT_ERROR_LIMIT]);
  return 0;
}
