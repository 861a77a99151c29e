// Nothing but a dependency: product CNNTraining links libcnnrt-train.so, which has all of libcnnrt.so.
