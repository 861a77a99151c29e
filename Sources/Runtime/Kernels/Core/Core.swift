func core() -> Int32 { 0 }
