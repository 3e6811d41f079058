return await Dunning.Commands.CommandLine.RunAsync(args, Console.Out, Console.Error);
