let help: StaticString = """
  usage: cnn-infer [options] IMAGE...
         cnn-infer [options] --npy INPUT.npy [--save-npy OUTPUT.npy]
         cnn-infer [options] --self-test

  Says what is in pictures, with a network from a bundle. IMAGE is a PNG or JPEG of any kind, told by its content, not its
  name; - is standard input. It is turned upright as its EXIF says; gamma and colour profiles are left alone.

    --model FILE      the bundle; otherwise $CNN_MODEL, otherwise model.cnn in the working directory
    --top K           print the K best classes, 1 to 1000000 (5); all of them if there are fewer
    --json            print one JSON object per image and line (below)
    --time            print how long opening the model and each inference took
    --threads N       threads of an inference, 1 to 64 (1); the results are the same
    --isa NAME        instruction set: baseline, avx2, avx512, avx512vnni, neon, neon-dotprod (the processor's best)
    --npy FILE        instead of pictures: the network's own input, float32 in C order, [N, C, H, W] or as the
                      network has it; neither resized nor normalised; - is standard input
    --save-npy FILE   write the network's first output, float32, [N, ...]
    --self-test       run the bundle's own test: does this machine compute what the exporter computed?
    --version         print the version
    --help            print this

  Text: a line with the image's name, then a line for each of its classes. JSON: {"file": NAME, "classes": [{"label": TEXT or
  null, "index": NUMBER, "probability": NUMBER}, ...], "time_ms": NUMBER}, or {"file": NAME, "error": TEXT}. "time_ms" is from
  pixels to classes; reading and decoding the file are not in it. If the network does not end in a softmax, "score" stands
  instead of "probability".

  What is wrong with an image is one line on standard error; the others are still done. Images of more than 100 million pixels
  or with a side of more than 1 million, and files of more than 512 MB, are refused before memory is taken for them.

  Exit code: 0, or 1 if an image, the model or the self-test failed, 2 for a mistake in the command line.

  """
