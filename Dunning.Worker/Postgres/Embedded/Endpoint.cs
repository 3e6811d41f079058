using System.Globalization;

namespace Dunning.Postgres.Embedded;

/// <summary>Where a server listens: the folder of its socket, or loopback with a password.</summary>
internal sealed record Endpoint(string Host, int Port, string? Password)
{
    /// <summary>The host of every server that listens on TCP.</summary>
    public const string Loopback = "127.0.0.1";

    // A record prints all its fields, and this one may end up in a log.
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");
}
