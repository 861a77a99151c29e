public enum Bundle {}
