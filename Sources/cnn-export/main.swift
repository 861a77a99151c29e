import CCNNRT

print(cnnrt_version())
