// SPDX-License-Identifier: BSD-2-Clause
// hoard_rust: the same in Rust. All its memory comes from Inventory::restock(), by way of the
// standard library. SIGTERM ends it at once, with status 0.
const SIGTERM: i32 = 15;

extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn _exit(status: i32) -> !;
}

extern "C" fn stop(_number: i32) {
    unsafe { _exit(0) }
}

struct Inventory {
    items: Vec<Vec<u8>>,
}

impl Inventory {
    #[inline(never)]
    fn restock(&mut self, length: usize) {
        self.items.push(vec![1; length]);
    }
}

fn main() {
    let mut inventory = Inventory { items: Vec::new() };

    unsafe { signal(SIGTERM, stop) };
    while inventory.items.len() < 65536 {
        // 4 GiB
        inventory.restock(65536);
    }
    println!("{} items", inventory.items.len());
    std::process::exit(1);
}
