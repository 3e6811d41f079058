using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dunning.Ops.Signals;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Console;

namespace Dunning.Hosting;

/// <summary>
/// The log as one JSON object a line: <c>timestamp</c>, <c>level</c>, <c>category</c>, <c>message</c>; <c>pass</c> and <c>account</c> where there is one, from the
/// line itself or from the pass that it was written in; <c>fields</c>, what else the message is made of; <c>exception</c>. Of scopes, only ours count: see
/// <see cref="LogScope"/>.
/// </summary>
internal sealed class JsonLines(TimeProvider time) : ConsoleFormatter(FormatterName)
{
    /// <summary>What the console calls it.</summary>
    public const string FormatterName = "dunning-json";

    private static readonly JsonWriterOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <inheritdoc/>
    public override void Write<TState>(in LogEntry<TState> logEntry, IExternalScopeProvider? scopeProvider, TextWriter textWriter)
    {
        if (logEntry.Formatter(logEntry.State, logEntry.Exception) is not { } message)
        {
            return;
        }
        var (pass, account) = (default(string), default(string));
        scopeProvider?.ForEachScope((scope, _) => pass = scope is LogScope ours ? ours.Pass : pass, 0);
        var fields = new List<KeyValuePair<string, object?>>();
        foreach (var field in logEntry.State as IEnumerable<KeyValuePair<string, object?>> ?? [])
        {
            switch (field.Key)
            {
                case "{OriginalFormat}":
                    break;
                case "Pass":
                    pass ??= Text(field.Value)?.ToLowerInvariant();
                    break;
                case "Account":
                    account = Text(field.Value);
                    break;
                default:
                    fields.Add(field);
                    break;
            }
        }
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer, s_options))
        {
            json.WriteStartObject();
            json.WriteString("timestamp", time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture));
            json.WriteString("level", Level(logEntry.LogLevel));
            json.WriteString("category", logEntry.Category);
            json.WriteString("message", message);
            if (pass is not null)
            {
                json.WriteString("pass", pass);
            }
            if (account is not null)
            {
                json.WriteString("account", account);
            }
            if (fields.Count > 0)
            {
                json.WriteStartObject("fields");
                foreach (var (name, value) in fields.DistinctBy(f => f.Key))
                {
                    Write(json, name, value);
                }
                json.WriteEndObject();
            }
            if (logEntry.Exception is { } exception)
            {
                json.WriteString("exception", exception.ToString());
            }
            json.WriteEndObject();
        }
        textWriter.Write(Encoding.UTF8.GetString(buffer.WrittenSpan));
        textWriter.Write('\n');
    }

    private static void Write(Utf8JsonWriter json, string name, object? value)
    {
        switch (value)
        {
            case null:
                json.WriteNull(name);
                break;
            case bool flag:
                json.WriteBoolean(name, flag);
                break;
            case int or long or short or byte or uint:
                json.WriteNumber(name, Convert.ToInt64(value, CultureInfo.InvariantCulture));
                break;
            case double number when double.IsFinite(number):
                json.WriteNumber(name, number);
                break;
            default:
                json.WriteString(name, Text(value));
                break;
        }
    }

    private static string? Text(object? value) => Convert.ToString(value, CultureInfo.InvariantCulture);

    private static string Level(LogLevel level) => level switch
    {
        LogLevel.Trace => "trace",
        LogLevel.Debug => "debug",
        LogLevel.Information => "information",
        LogLevel.Warning => "warning",
        LogLevel.Error => "error",
        LogLevel.Critical => "critical",
        LogLevel.None => "none",
    };
}
