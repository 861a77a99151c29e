// A program that learns also runs what it learnt: importing CNNTraining is enough for Model, Session and Trainer.
@_exported import CNNRT
