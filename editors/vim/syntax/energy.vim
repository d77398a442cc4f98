" Syntax of energydsl models, made by editors/make.py from the tables of the language.
if exists("b:current_syntax")
  finish
endif

syntax keyword energyStatement model dim const visible hidden input param graph layers let energy recognition schedule augment marginalise import use
syntax keyword energyKeyword as sum prod in true false
syntax keyword energyLater else for if where
syntax keyword energyFunction exp log sqrt abs tanh sigmoid softplus sin cos lgamma logcosh range
syntax match energyDomain /\%(:\s*\)\@<=\<\%(binary\|spin\|categorical\|real\|positive\|interval\|count\|integer\)\>/
syntax match energyConstraint /\%([:&]\s*\)\@<=\<\%(positive\|nonnegative\|symmetric\|zero_diagonal\|frozen\)\>/
syntax match energyInitialiser /\<\%(normal\|uniform\|rademacher\|base_rate\|file\)\>\ze\s*(/
syntax match energyGenerator /\<\%(chain\|grid\|complete\|random_regular\|edges\|hyperedges\)\>\ze\s*(/
syntax match energyNumber /\<\d\+\%(\.\d*\)\?\%([eE][+-]\?\d\+\)\?\|\.\d\+\%([eE][+-]\?\d\+\)\?/
syntax match energyOperator /[-+*\/@^%<>=|&']/
syntax match energyString /"[^"]*"/
syntax match energyComment /#.*$/ contains=energyTodo,@Spell
syntax keyword energyTodo TODO FIXME contained

highlight default link energyStatement Statement
highlight default link energyKeyword Keyword
highlight default link energyLater Error
highlight default link energyFunction Function
highlight default link energyDomain Type
highlight default link energyConstraint StorageClass
highlight default link energyInitialiser Function
highlight default link energyGenerator Function
highlight default link energyNumber Number
highlight default link energyOperator Operator
highlight default link energyString String
highlight default link energyComment Comment
highlight default link energyTodo Todo

let b:current_syntax = "energy"
