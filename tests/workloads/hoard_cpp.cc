// SPDX-License-Identifier: BSD-2-Clause
// hoard_cpp: the same in C++. All its memory comes from shop::Inventory::add(), by way of the
// standard library. SIGTERM ends it at once, with status 0.
#include <csignal>
#include <cstdio>
#include <string>
#include <unistd.h>
#include <vector>

namespace shop {

class Inventory {
public:
	__attribute__((noinline)) void add(std::size_t length)
	{
		items_.emplace_back(length, 'x');
	}
	std::size_t size() const { return items_.size(); }

private:
	std::vector<std::string> items_;
};

} // namespace shop

int main()
{
	shop::Inventory inventory;

	std::signal(SIGTERM, [](int) { _exit(0); });
	while (inventory.size() < 65536) // 4 GiB
		inventory.add(65536);
	std::printf("%zu items\n", inventory.size());
	return 1;
}
