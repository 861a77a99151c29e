import CCNNRT
