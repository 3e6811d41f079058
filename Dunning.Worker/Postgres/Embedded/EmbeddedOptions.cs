namespace Dunning.Postgres.Embedded;

/// <summary>How the private PostgreSQL server is found, kept and started. All defaults work.</summary>
public sealed record EmbeddedOptions
{
    /// <summary>
    /// The folder the server lives in (its data is the subfolder <c>data</c>). Null means the folder of this user
    /// (<see cref="DefaultFolder"/>), or for a <see cref="Scratch"/> server a fresh one that is deleted with it.
    /// </summary>
    public string? Folder { get; init; }

    /// <summary>The folder of <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c>. Null means: look in the usual places.</summary>
    public string? BinariesFolder { get; init; }

    /// <summary>
    /// A throwaway server: nothing is flushed to disk, so it is fast and a power cut destroys it.
    /// For tests and simulations, never for a book of real customers.
    /// </summary>
    public bool Scratch { get; init; }

    /// <summary>How long a start may take. Generous, since recovery after a crash reads the whole write-ahead log.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Listens on loopback TCP with a generated password instead of a private Unix socket. The default on Windows only:
    /// elsewhere file permissions guard the socket, and there is no port for others to try.
    /// </summary>
    public bool LoopbackTcp { get; init; } = OperatingSystem.IsWindows();

    /// <summary>The folder used when none is configured: the same for every start by this user.</summary>
    public static string DefaultFolder => Path.Combine(ServerFolder.UserRoot, "pg");
}
