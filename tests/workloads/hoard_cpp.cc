// SPDX-License-Identifier: BSD-2-Clause
// hoard_cpp, hoard_cpp-clang: the same in C++. All its memory comes from shop::restock(), by way of
// the standard library. SIGTERM ends it at once, with status 0.
#include <csignal>
#include <cstdio>
#include <string>
#include <unistd.h>
#include <vector>

namespace shop {

using Inventory = std::vector<std::string>;

__attribute__((noinline)) void restock(Inventory &inventory, std::size_t length)
{
	inventory.emplace_back(length, 'x');
	inventory.back()[0] = 'y'; // no tail call
}

} // namespace shop

int main()
{
	shop::Inventory inventory;

	std::signal(SIGTERM, [](int) { _exit(0); });
	while (inventory.size() < 65536) // 4 GiB
		shop::restock(inventory, 65536);
	std::printf("%zu items\n", inventory.size());
	return 1;
}
