public enum Run {}
