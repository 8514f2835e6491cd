/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * embed_python ARG...: the interpreter in a program of another name: linked against its library, or, as
 * embed_python-static, with all of it inside.
 */
int Py_BytesMain(int argc, char **argv);

int main(int argc, char **argv)
{
	return Py_BytesMain(argc, argv);
}
