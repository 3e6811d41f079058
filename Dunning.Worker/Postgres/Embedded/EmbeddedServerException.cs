namespace Dunning.Postgres.Embedded;

/// <summary>The private PostgreSQL server could not be found, made, started or stopped. The message says what to do about it.</summary>
public sealed class EmbeddedServerException : Exception
{
    /// <summary>Creates the exception with a message made for an operator.</summary>
    public EmbeddedServerException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with a message made for an operator and its cause.</summary>
    public EmbeddedServerException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
