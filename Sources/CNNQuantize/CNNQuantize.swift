import CNNRT
