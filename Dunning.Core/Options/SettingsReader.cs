using System.Collections.Immutable;
using System.Globalization;
using Dunning.Time;
using NodaTime;
using NodaTime.Text;

namespace Dunning.Options;

/// <summary>Reads the rules' settings and collects every fault, so that an operator mends all of them in one go.</summary>
internal sealed class SettingsReader
{
    private const string StepsPrefix = "Dunning:Steps:";

    private static readonly LocalTimePattern HourMinute = LocalTimePattern.CreateWithInvariantCulture("HH:mm");

    private readonly SortedDictionary<string, string> _settings = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> _asked = new(StringComparer.OrdinalIgnoreCase);

    public SettingsReader(IEnumerable<KeyValuePair<string, string?>> settings)
    {
        foreach (var (key, value) in settings)
        {
            if (value is not null)
            {
                _settings[key] = value;
            }
        }
    }

    public List<string> Faults { get; } = [];

    public int Int(string key, int standard, int min, int max)
    {
        if (Get(key) is not { } text)
        {
            return standard;
        }
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= min && value <= max)
        {
            return value;
        }
        Faults.Add(FormattableString.Invariant($"{key} is '{text}', but must be a whole number from {min} to {max}, such as {standard}"));
        return standard;
    }

    /// <summary>A number, or none where none is given.</summary>
    public int? IntOrNone(string key, int example, int min, int max) => Get(key) is null ? null : Int(key, example, min, max);

    public LocalTime Time(string key, LocalTime standard)
    {
        if (Get(key) is not { } text)
        {
            return standard;
        }
        var parsed = HourMinute.Parse(text);
        if (parsed.Success)
        {
            return parsed.Value;
        }
        Faults.Add($"{key} is '{text}', but must be a time of day as HH:mm, such as {HourMinute.Format(standard)}");
        return standard;
    }

    public string Country(string key, string standard)
    {
        if (Get(key) is not { } text || (text.Length == 2 && text.All(char.IsAsciiLetterUpper)))
        {
            return Get(key) ?? standard;
        }
        Faults.Add($"{key} is '{text}', but must be a country code of two capital letters, such as {standard}");
        return standard;
    }

    public string Zone(string key, string standard)
    {
        if (Get(key) is not { } text || LocalClock.IsZone(text))
        {
            return Get(key) ?? standard;
        }
        Faults.Add($"{key} is '{text}', but must be an IANA time zone, such as {standard}");
        return standard;
    }

    public ZoneData Zones(string key)
    {
        if (ZoneData.Find(Get(key) ?? "current") is { } zones)
        {
            return zones;
        }
        Faults.Add($"{key} is '{Get(key)}', but must be current or 2025b");
        return ZoneData.Current;
    }

    /// <summary>The defaults with the given keys over them; null when there is a fault.</summary>
    public StepSchedule? Steps()
    {
        var given = new SortedDictionary<int, Dictionary<string, string>>();
        var faultsBefore = Faults.Count;
        foreach (var (key, value) in _settings)
        {
            if (!key.StartsWith(StepsPrefix, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }
            _asked.Add(key);
            var parts = key[StepsPrefix.Length..].Split(':');
            if (parts.Length == 1 && value.Length == 0)
            {
                continue;
            }
            if (parts.Length != 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > 99)
            {
                Faults.Add($"{key} is no setting of a step: expected {StepsPrefix}NUMBER:Day, :Email, :Notice, :Suspend or :Off, NUMBER from 0 to 99");
                continue;
            }
            if (!given.TryGetValue(number, out var fields))
            {
                given.Add(number, fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase));
            }
            fields[parts[1]] = value;
        }

        var defaults = RuleOptions.DefaultSteps.Steps;
        var (steps, numbers) = (new List<DunningStep>(), new List<int>());
        foreach (var number in Enumerable.Range(0, defaults.Length).Union(given.Keys).Order())
        {
            var fields = given.GetValueOrDefault(number) ?? [];
            var before = number < defaults.Length ? defaults[number] : null;
            var prefix = string.Create(CultureInfo.InvariantCulture, $"{StepsPrefix}{number}:");
            var (day, email, notice, suspend, off) = (before?.Day, before?.Email, before?.Notice, before?.Suspend ?? false, false);
            foreach (var (name, text) in fields)
            {
                switch (name.ToUpperInvariant())
                {
                    case "DAY":
                        day = int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var d) ? d : null;
                        if (day is null)
                        {
                            Faults.Add($"{prefix}Day is '{text}', but must be a whole number of days after the first failure, such as 4");
                            day = before?.Day ?? 0;
                        }
                        break;
                    case "EMAIL":
                        email = text;
                        break;
                    case "NOTICE":
                        notice = text.Length == 0 ? null : text;
                        break;
                    case "SUSPEND":
                        suspend = Flag(prefix + "Suspend", text);
                        break;
                    case "OFF":
                        off = Flag(prefix + "Off", text);
                        break;
                    default:
                        Faults.Add($"{prefix}{name} is unknown: a step has Day, Email, Notice, Suspend and Off");
                        break;
                }
            }
            if (off)
            {
                continue;
            }
            if (day is null || email is null)
            {
                Faults.Add($"{prefix} a step beyond the defaults needs Day and Email");
                continue;
            }
            steps.Add(new DunningStep(day.Value, email, notice, suspend));
            numbers.Add(number);
        }
        var (schedule, faults) = StepSchedule.Create([.. steps], [.. numbers]);
        if (Faults.Count == faultsBefore)
        {
            Faults.AddRange(faults);
        }
        return schedule;
    }

    /// <summary>A misspelt key of ours is a fault: silently keeping the default would be worse.</summary>
    public void RefuseUnknown()
    {
        foreach (var key in _settings.Keys.Where(k => !_asked.Contains(k)
            && k.StartsWith("Dunning:", StringComparison.OrdinalIgnoreCase)
            && !OtherOwners.Any(o => k.StartsWith(o, StringComparison.OrdinalIgnoreCase))
            && _settings[k].Length > 0))
        {
            Faults.Add($"{key} is unknown: the keys are Dunning:ChargeAt, PurgeAfterDays, EraseClosedAfterDays, AttemptGap, TimeZoneData, Seller:Country, Seller:TimeZone and Steps");
        }
    }

    // Sections below Dunning: that the service, not the rules, reads.
    private static readonly ImmutableArray<string> OtherOwners = ["Dunning:Seller:", "Dunning:Jobs:", "Dunning:Passes:"];

    private string? Get(string key)
    {
        _asked.Add(key);
        return _settings.GetValueOrDefault(key);
    }

    private bool Flag(string key, string text)
    {
        if (bool.TryParse(text, out var value))
        {
            return value;
        }
        Faults.Add($"{key} is '{text}', but must be true or false");
        return false;
    }
}
