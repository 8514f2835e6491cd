%% SPDX-License-Identifier: BSD-2-Clause
%%
%% server:main([SOCKET, RECORDS]): see lines.sh. An application, the supervisor of which lets its keeper
%% write the records when init:stop ends it.
-module(server).
-behaviour(application).
-behaviour(gen_server).
-export([main/1, start/2, stop/1, start_link/2, init/1, handle_call/3, handle_cast/2, terminate/2]).

main([Path, KeptIn]) ->
    Files = {atom_to_list(Path), atom_to_list(KeptIn)},
    ok = application:load({application, server, [{mod, {server, Files}}, {vsn, "1"},
						 {applications, [kernel, stdlib]}]}),
    ok = application:start(server, permanent).

start(_Type, Files) ->
    supervisor:start_link(server, {supervisor, Files}).

stop(_State) ->
    ok.

start_link(Path, KeptIn) ->
    gen_server:start_link({local, keeper}, server, {keeper, Path, KeptIn}, []).

init({supervisor, {Path, KeptIn}}) ->
    {ok, {#{}, [#{id => keeper, start => {server, start_link, [Path, KeptIn]}, shutdown => 60000}]}};
init({keeper, Path, KeptIn}) ->
    process_flag(trap_exit, true),
    Lines = case file:read_file(KeptIn) of
		{ok, Data} -> binary:split(Data, <<"\n">>, [global, trim]);
		_ -> []
	    end,
    {ok, Listener} = gen_tcp:listen(0, [{ifaddr, {local, Path}}, binary, {packet, line}, {active, false}]),
    spawn(fun() -> accept(Listener) end),
    {ok, {KeptIn, lists:reverse(Lines), length(Lines), []}}.

handle_call({add, Line}, _From, {KeptIn, Lines, Count, Leaked}) ->
    {reply, Line, {KeptIn, [Line | Lines], Count + 1, Leaked}};
handle_call(count, _From, {_, _, Count, _} = State) ->
    {reply, integer_to_binary(Count), State};
handle_call({leak, Binary}, _From, {KeptIn, Lines, Count, Leaked}) ->
    {reply, <<"0">>, {KeptIn, Lines, Count, [Binary | Leaked]}}.

handle_cast(_, State) ->
    {noreply, State}.

terminate(_Reason, {KeptIn, Lines, _, _}) ->
    ok = file:write_file([KeptIn, ".new"], [[Line, "\n"] || Line <- lists:reverse(Lines)], [sync]),
    ok = file:rename([KeptIn, ".new"], KeptIn).

accept(Listener) ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Session = spawn(fun() -> receive go -> session(Socket) end end),
    ok = gen_tcp:controlling_process(Socket, Session),
    Session ! go,
    accept(Listener).

session(Socket) ->
    case gen_tcp:recv(Socket, 0) of
	{ok, Line} ->
	    Answer = answer(binary:split(string:trim(Line), <<" ">>)),
	    ok = gen_tcp:send(Socket, [Answer, "\n"]),
	    session(Socket);
	_ ->
	    ok
    end.

answer([<<"add">>, Value]) ->
    gen_server:call(keeper, {add, Value}, infinity);
answer([<<"count">> | _]) ->
    gen_server:call(keeper, count, infinity);
answer([<<"leak">>, Value]) ->
    gen_server:call(keeper, {leak, binary:copy(<<"x">>, binary_to_integer(Value) * 1024)}, infinity);
answer([<<"grow">> | _]) ->
    grow([]).

grow(List) ->
    grow([{record, length_of(List)} | List]).

length_of([{record, N} | _]) -> N + 1;
length_of([]) -> 0.
