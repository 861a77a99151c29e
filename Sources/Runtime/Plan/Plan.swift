public enum Plan {}
