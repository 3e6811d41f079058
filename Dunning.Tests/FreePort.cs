using System.Net;
using System.Net.Sockets;

namespace Dunning.Tests;

/// <summary>Ports of the loopback for servers that must know theirs before they listen.</summary>
internal static class FreePort
{
    // Below those that a system gives out by itself, from 32768 on Linux and from 49152 elsewhere: a server or a connection of a test beside could get one
    // of them before its own server listens.
    private const int First = 20_000;
    private const int Count = 12_000;

    // Another run of the tests begins elsewhere.
    private static int s_last = Environment.ProcessId * 101 % Count;

    /// <summary>One on which nobody listens, and which nobody else here is given.</summary>
    public static int Take()
    {
        while (true)
        {
            var port = First + (Interlocked.Increment(ref s_last) % Count);
            using var listener = new TcpListener(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody has it: the next.
            }
        }
    }
}
