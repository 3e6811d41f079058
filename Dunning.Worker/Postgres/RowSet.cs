using System.Globalization;
using NodaTime;
using Npgsql;
using NpgsqlTypes;

namespace Dunning.Postgres;

/// <summary>
/// Rows as one array for each column: a statement writes them all, whatever their number. In its SQL, <c>{rows}</c> stands for them, as a table
/// <c>u</c> with these columns in this order.
/// </summary>
internal sealed class RowSet<T>(IReadOnlyList<T> rows)
{
    private readonly NpgsqlBatchCommand _command = new();
    private readonly List<string> _names = [];

    public RowSet<T> Text(string name, Func<T, string?> get) => Add(name, NpgsqlDbType.Text, get);

    public RowSet<T> Json(string name, Func<T, string?> get) => Add(name, NpgsqlDbType.Jsonb, get);

    public RowSet<T> Long(string name, Func<T, long> get) => Add(name, NpgsqlDbType.Bigint, get);

    public RowSet<T> Int(string name, Func<T, int> get) => Add(name, NpgsqlDbType.Integer, get);

    public RowSet<T> Int(string name, Func<T, int?> get) => Add(name, NpgsqlDbType.Integer, get);

    public RowSet<T> Flag(string name, Func<T, bool> get) => Add(name, NpgsqlDbType.Boolean, get);

    public RowSet<T> Flag(string name, Func<T, bool?> get) => Add(name, NpgsqlDbType.Boolean, get);

    public RowSet<T> Date(string name, Func<T, LocalDate> get) => Add(name, NpgsqlDbType.Date, r => get(r).Date());

    public RowSet<T> Date(string name, Func<T, LocalDate?> get) => Add(name, NpgsqlDbType.Date, r => get(r).Date());

    public RowSet<T> Month(string name, Func<T, YearMonth?> get) => Add(name, NpgsqlDbType.Date, r => get(r).FirstDay());

    public RowSet<T> Moment(string name, Func<T, Instant> get) => Add(name, NpgsqlDbType.TimestampTz, r => get(r).Utc());

    public RowSet<T> Moment(string name, Func<T, Instant?> get) => Add(name, NpgsqlDbType.TimestampTz, r => get(r).Utc());

    /// <summary>The statement, to be one of a batch.</summary>
    public NpgsqlBatchCommand Statement(string sql)
    {
        var arrays = string.Join(", ", Enumerable.Range(1, _names.Count).Select(i => string.Create(CultureInfo.InvariantCulture, $"${i}")));
        _command.CommandText = sql.Replace("{rows}", $"unnest({arrays}) as u({string.Join(", ", _names)})", StringComparison.Ordinal);
        return _command;
    }

    private RowSet<T> Add<V>(string name, NpgsqlDbType type, Func<T, V> get)
    {
        var values = new V[rows.Count];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = get(rows[i]);
        }
        _names.Add(name);
        _command.Parameters.Add(new NpgsqlParameter<V[]> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | type });
        return this;
    }
}
