// Nothing but a dependency: product CNNRT links libcnnrt.so.
