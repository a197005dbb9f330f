# Completion of teamsup for fish: teamsup completion fish | source
function __teamsup_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -l lines ($program completion fish $words "$current" 2>/dev/null)
    switch "$lines[1]"
        case :file
            __fish_complete_path "$current"
        case :folder
            __fish_complete_directories "$current"
        case '*'
            printf '%s\n' $lines
    end
end
complete -c teamsup -f -a '(__teamsup_complete)'
