let help: StaticString = """
  usage: cnn-infer [options] IMAGE...
         cnn-infer [options] --npy INPUT.npy [--save-npy OUTPUT.npy]
         cnn-infer [options] --self-test

  Says what is in pictures (PNG or JPEG), with a network from a bundle.

    --model FILE      the bundle; otherwise $CNN_MODEL, otherwise model.cnn in the working directory
    --top K           print the K best classes (5)
    --json            print one JSON object per image and line (below)
    --time            print how long opening the model and each inference took
    --threads N       threads of an inference, 1 to 64 (1); the results are the same
    --isa NAME        instruction set: baseline, avx2, avx512, avx512vnni, neon, neon-dotprod (the processor's best)
    --npy FILE        instead of pictures: the network's own input, float32 in C order, [N, C, H, W] or as the
                      network has it; neither resized nor normalised
    --save-npy FILE   write the network's first output, float32, [N, ...]
    --self-test       run the bundle's own test: does this machine compute what the exporter computed?
    --version         print the version
    --help            print this

  JSON: {"file": NAME, "classes": [{"label": TEXT or null, "index": NUMBER, "probability": NUMBER}, ...], "time_ms": NUMBER},
  or {"file": NAME, "error": TEXT}. "time_ms" is from pixels to classes; reading and decoding the file are not in it.
  If the network does not end in a softmax, "score" stands instead of "probability".

  Exit code: 0, or 1 if an image, the model or the self-test failed (the other images are still done), 2 for a mistake in
  the command line.

  """
