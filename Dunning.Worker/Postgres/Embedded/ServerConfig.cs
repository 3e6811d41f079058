using System.Globalization;

namespace Dunning.Postgres.Embedded;

/// <summary>The text of the server's configuration files.</summary>
internal static class ServerConfig
{
    private const string Durable = """
        fsync = on
        synchronous_commit = on

        """;

    private const string Throwaway = """
        # A throwaway server: a power cut destroys it.
        fsync = off
        synchronous_commit = off
        full_page_writes = off
        wal_level = minimal
        max_wal_senders = 0

        """;

    /// <summary>The settings: <c>postgresql.conf</c>.</summary>
    public static string Settings(string dataFolder, string accessFile, Endpoint endpoint, bool scratch)
    {
        var isTcp = endpoint.Password is not null;
        var common = $"""
            # Written by Dunning at every start. Put your own settings into local.conf beside this file: they win.
            data_directory = '{Quoted(dataFolder)}'
            hba_file = '{Quoted(accessFile)}'
            listen_addresses = '{(isTcp ? Endpoint.Loopback : "")}'
            port = {endpoint.Port.ToString(CultureInfo.InvariantCulture)}
            unix_socket_directories = '{(isTcp ? "" : Quoted(endpoint.Host))}'
            unix_socket_permissions = 0700
            max_connections = 200

            # A small machine, many short transactions.
            shared_buffers = {(scratch ? "128MB" : "256MB")}
            max_wal_size = 2GB
            checkpoint_timeout = 15min
            jit = off
            # Containers give /dev/shm 64 MB, which parallel plans overrun.
            max_parallel_workers_per_gather = 0

            timezone = 'UTC'
            log_timezone = 'UTC'
            lc_messages = 'C'
            log_line_prefix = '%m [%p] '
            log_checkpoints = off
            # Statements and error details hold addresses of customers; they do not belong into a log.
            log_min_error_statement = panic
            log_error_verbosity = terse


            """;
        return common + (scratch ? Throwaway : Durable);
    }

    /// <summary>
    /// Who may connect: <c>pg_hba.conf</c>. On a socket the private folder is the guard: only its owner and root reach it.
    /// </summary>
    public static string Access(Endpoint endpoint) => endpoint.Password is not null
        ? $"host all all {Endpoint.Loopback}/32 scram-sha-256\n"
        : "local all all trust\n";

    private static string Quoted(string value) => value.Replace("'", "''", StringComparison.Ordinal).Replace('\\', '/');
}
