"""Tools for assistants: what a program may do with experiments on behalf of a person, without getting past the seal.

==========  ===================================================================================
server      the Model Context Protocol over standard input and output
tools       the tools: what each takes, what it does, over the functions of the command line
answers     what a tool answers: short, with what may and may not be concluded
marked      text from people and data, marked so that it is read and not obeyed
root        the one folder that a server may read and write
next_step   what to do now, from what is on record
documents   one page for each check and each message, for programs to read
files       llms.txt, AGENTS.md and a skill for the projects of users
guard       code that reads outcomes of a sealed experiment outside xpbench
==========  ===================================================================================
"""
